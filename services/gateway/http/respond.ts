import type { ServerResponse } from 'node:http';
import { EventStream } from '../../lib/openai/event-stream.js';
import type { FinishedChoice, FinishReason } from '../../lib/openai/response-format.js';
import { abortOnDisconnect } from './abort-on-disconnect.js';
import { admit } from '../answer/admit.js';
import { choicesOf, planOf, usageOfPlan, type Choice, type Finished, type GenerationPlan } from '../answer/choice.js';
import type { Gateway } from './gateway.js';
import { tenantOf } from './middleware/authenticate.js';
import type { RequestTrace } from '../telemetry/request-trace.js';
import { allOrAbort, RunningChoice, untilRouted } from '../answer/running-choice.js';
import { serverTiming } from '../telemetry/timings.js';

interface Answer {
  readonly choice: Choice;
  readonly text: string;
  readonly tokens: readonly number[];
  readonly finishReason: FinishReason;
}

/**
 * Runs all choices of a request at once and answers it. Until every sequence has its route nothing is sent, so
 * a failure up to there has its own HTTP status.
 */
export async function respond(
  gateway: Gateway,
  response: ServerResponse,
  asked: GenerationPlan,
  trace: RequestTrace,
): Promise<void> {
  const controller = abortOnDisconnect(response);
  const tenant = tenantOf(response);
  const plan = planOf(tenant, asked);
  const choices = choicesOf(plan);
  const permit = await trace.measure('admission', () =>
    admit(gateway, plan, choices, controller.signal),
  );
  const running: RunningChoice[] = [];
  try {
    gateway.metrics.queueTime.observe(trace.seconds);
    running.push(...choices.map((choice) => new RunningChoice(gateway, choice, trace, controller.signal)));
    await trace.measure('route', () => untilRouted(running, controller));
    const route = running.flatMap(({ generation }) => generation?.route ?? []).join(', ');
    response.setHeader('x-layermesh-route', route);
    response.setHeaders(new Map(Object.entries(tenant?.headers ?? {})));
    if (plan.prompts.some(({ clamped }) => clamped)) {
      response.setHeader('x-layermesh-max-tokens', plan.prompts.map(({ maxTokens }) => maxTokens).join(', '));
    }
    trace.routed(route);
    gateway.demand.began(choices);

    const { stream } = plan.settings;
    const finished = stream
      ? await streamAnswer(gateway, response, plan, running, trace, controller)
      : await sendAnswer(response, plan, running, trace, controller);
    gateway.demand.ended(choices, finished);
    trace.finish(
      usageOfPlan(plan, running, finished),
      finished.map(({ finishReason }) => finishReason),
    );
  } finally {
    // Whatever went wrong: no sequence outlives its request.
    controller.abort(new Error('the request is over'));
    permit.release(running);
  }
}

async function sendAnswer(
  response: ServerResponse,
  plan: GenerationPlan,
  running: readonly RunningChoice[],
  trace: RequestTrace,
  controller: AbortController,
): Promise<Finished[]> {
  const answers = await allOrAbort(running.map(collect), controller);
  const { returnTokenIds } = plan.settings;
  const choices = answers.map(({ choice, text, tokens, finishReason }): FinishedChoice => ({
    index: choice.index,
    text,
    finishReason,
    ...(returnTokenIds ? { tokenIds: tokens, promptTokenIds: choice.prompt } : {}),
  }));
  const finished = answers.map(({ tokens, finishReason }) => ({ tokens: tokens.length, finishReason }));
  const usage = usageOfPlan(plan, running, finished);
  const timings = plan.timed ? trace.timings() : undefined;
  response.setHeader('content-type', 'application/json; charset=utf-8');
  if (timings !== undefined) response.setHeader('server-timing', serverTiming(timings));
  response.end(JSON.stringify(plan.format.response(choices, { usage, timings })));
  return finished;
}

async function collect({ choice, pieces }: RunningChoice): Promise<Answer> {
  let text = '';
  const tokens: number[] = [];
  let finishReason: FinishReason = 'length';
  for await (const piece of pieces) {
    text += piece.text;
    tokens.push(...piece.tokens);
    finishReason = piece.finishReason ?? finishReason;
  }
  return { choice, text, tokens, finishReason };
}

/** What is known of a stream's timing comes at its end: in a last chunk, and as a trailer. */
async function streamAnswer(
  gateway: Gateway,
  response: ServerResponse,
  plan: GenerationPlan,
  running: readonly RunningChoice[],
  trace: RequestTrace,
  controller: AbortController,
): Promise<Finished[]> {
  if (plan.timed) response.setHeader('trailer', 'server-timing');
  const events = new EventStream(response, controller.signal, gateway.limits);
  try {
    const finished = await allOrAbort(
      running.map((choice) => streamChoice(events, plan, choice)),
      controller,
    );
    const timings = plan.timed ? trace.timings() : undefined;
    const usage = plan.settings.includeUsage ? usageOfPlan(plan, running, finished) : undefined;
    if (usage !== undefined || timings !== undefined) events.send(plan.format.summary({ usage, timings }));
    if (timings !== undefined) response.addTrailers({ 'server-timing': serverTiming(timings) });
    events.end();
    return finished;
  } finally {
    events.close();
  }
}

async function streamChoice(
  events: EventStream,
  { format, settings: { returnTokenIds } }: GenerationPlan,
  { choice, pieces }: RunningChoice,
): Promise<Finished> {
  const { index } = choice;
  const start = format.start({ index, ...(returnTokenIds ? { promptTokenIds: choice.prompt } : {}) });
  if (start !== null) events.send(start);

  const finished = { tokens: 0, finishReason: 'length' as FinishReason };
  for await (const { tokens, text, finishReason } of pieces) {
    finished.tokens += tokens.length;
    if (returnTokenIds) events.send(format.delta({ index, text, tokenIds: tokens }));
    else if (text !== '') events.send(format.delta({ index, text }));
    if (finishReason === null) {
      await events.room();
      continue;
    }
    // What is done waits for no client: its place is free while the rest is still being read.
    finished.finishReason = finishReason;
    events.send(format.finish(index, finishReason));
  }
  return finished;
}
