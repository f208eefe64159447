import type { Response } from 'express';
import type { EventStream } from '../../lib/openai/event-stream.js';
import { usageOf, type FinishReason } from '../../lib/openai/response-format.js';
import { usageOfPlan, type Finished, type GenerationPlan } from '../answer/choice.js';
import { runPlan, wholeAnswer, type RunningPlan } from '../answer/run-plan.js';
import { allOrAbort, type RunningChoice } from '../answer/running-choice.js';
import type { RequestTrace } from '../telemetry/request-trace.js';
import { serverTiming } from '../telemetry/timings.js';
import { abortOnDisconnect } from './abort-on-disconnect.js';
import { AnswerStream } from './answer-stream.js';
import type { Serving } from '../models/serving.js';
import type { Gateway } from './gateway.js';

/** Choices whose routes are told: with one for each of many prompts the headers would be more than proxies and clients take. */
const MAX_ROUTES = 8;
const routesOf = ({ route }: RunningPlan): string => route.split(', ').slice(0, MAX_ROUTES).join(', ');

/**
 * Runs a request and answers it. Until every sequence has its route nothing is sent, so a failure up to there has its own
 * HTTP status; but for a stream that has begun because its client had waited long, which learns of it as of any later one.
 */
export async function respond(
  { limits }: Gateway,
  serving: Serving,
  response: Response,
  plan: GenerationPlan,
  trace: RequestTrace,
): Promise<void> {
  const controller = abortOnDisconnect(response);
  if (!plan.settings.stream) {
    await runPlan(serving, plan, trace, controller, (running) => {
      tellLimits(response, plan);
      response.setHeader('x-layermesh-route', routesOf(running));
      return sendAnswer(response, running);
    });
    return;
  }
  const stream = new AnswerStream(response, controller.signal, limits, () => {
    tellLimits(response, plan);
    announceTimes(response, plan);
  });
  try {
    await runPlan(serving, plan, trace, controller, (running) => {
      if (!response.headersSent) response.setHeader('x-layermesh-route', routesOf(running));
      return streamAnswer(response, stream.begin(), running);
    });
  } finally {
    stream.close();
  }
}

/** What the client's key has left, and how much shorter than it asked for its answer may be. */
function tellLimits(response: Response, { tenant, prompts }: GenerationPlan): void {
  response.setHeaders(new Map(Object.entries(tenant?.headers ?? {})));
  if (prompts.some(({ clamped }) => clamped)) {
    response.setHeader('x-layermesh-max-tokens', prompts.map(({ maxTokens }) => maxTokens).join(', '));
  }
}

/**
 * As a trailer. HTTP/1.0 has none, and where one is announced all the same Node refuses to write this answer and every other to
 * the request.
 */
function announceTimes(response: Response, { timed }: GenerationPlan): void {
  if (timed && response.useChunkedEncodingByDefault) response.setHeader('trailer', 'server-timing');
}

async function sendAnswer(response: Response, running: RunningPlan): Promise<readonly Finished[]> {
  const { finished, body, timings } = await wholeAnswer(running);
  await running.plan.settle?.();
  response.setHeader('content-type', 'application/json; charset=utf-8');
  if (timings !== undefined) response.setHeader('server-timing', serverTiming(timings));
  response.end(JSON.stringify(body));
  return finished;
}

/** What is known of a stream's timing comes at its end: in a last event, and as a trailer. */
async function streamAnswer(
  response: Response,
  events: EventStream,
  { plan, choices, trace, controller }: RunningPlan,
): Promise<readonly Finished[]> {
  const finished = await allOrAbort(
    choices.map((choice) => streamChoice(events, plan, choice)),
    controller,
  );
  const timings = plan.timed ? trace.timings() : undefined;
  const last = plan.format.summary({ usage: usageOfPlan(plan, choices, finished), timings });
  await plan.settle?.();
  events.send(last);
  if (timings !== undefined) response.addTrailers({ 'server-timing': serverTiming(timings) });
  events.end();
  return finished;
}

async function streamChoice(
  events: EventStream,
  { format, settings: { returnTokenIds } }: GenerationPlan,
  { choice, cachedTokens, pieces }: RunningChoice,
): Promise<Finished> {
  const { index } = choice;
  const shown = returnTokenIds ? { promptTokenIds: choice.prompt } : {};
  events.send(format.start({ index, ...shown }, usageOf(choice.prompt.length, cachedTokens, 0)));

  const finished = { tokens: 0, finishReason: 'length' as FinishReason };
  for await (const { tokens, text, toolCalls, logprobs, finishReason, stopString } of pieces) {
    finished.tokens += tokens.length;
    const delta = { index, text, ...(toolCalls && { toolCalls }), ...(logprobs && { logprobs }) };
    if (returnTokenIds) events.send(format.delta({ ...delta, tokenIds: tokens }));
    else if (text !== '' || toolCalls !== undefined || logprobs?.length) events.send(format.delta(delta));
    if (finishReason === null) {
      await events.room();
      continue;
    }
    // What is done waits for no client: its place is free while the rest is still being read.
    finished.finishReason = finishReason;
    events.send(format.finish(index, finishReason, stopString));
  }
  return finished;
}
