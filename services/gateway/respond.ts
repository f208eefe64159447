import type { ServerResponse } from 'node:http';
import { EventStream } from '../lib/openai/event-stream.js';
import {
  usageOf,
  type FinishedChoice,
  type FinishReason,
  type Usage,
} from '../lib/openai/response-format.js';
import { abortOnDisconnect } from './abort-on-disconnect.js';
import { allOrAbort } from './all-or-abort.js';
import { choicesOf, type Choice, type GenerationPlan } from './choice.js';
import { ChoiceDecoder, type Piece } from './choice-decoder.js';
import type { Gateway } from './gateway.js';
import { generate } from './generate.js';
import { ChoiceMeter } from './metrics.js';

interface RunningChoice {
  readonly choice: Choice;
  /** Of its prompt. */
  readonly cachedTokens: number;
  readonly pieces: AsyncIterable<Piece>;
}

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
  plan: GenerationPlan,
): Promise<void> {
  const arrived = performance.now();
  const controller = abortOnDisconnect(response);
  const choices = choicesOf(plan);

  const permit = await gateway.admission.acquire(choices.length, controller.signal);
  try {
    gateway.metrics.queueTime.observe((performance.now() - arrived) / 1000);
    const generations = await allOrAbort(
      choices.map((choice) => gateway.backend.generate(choice, controller.signal)),
      controller,
    );
    response.setHeader('x-layermesh-route', generations.map(({ route }) => route).join(', '));

    const running = choices.map((choice, index): RunningChoice => {
      const { cachedTokens, tokens } = generations[index]!;
      gateway.metrics.promptTokens.inc(choice.prompt.length);
      gateway.metrics.prefixCacheQueries.inc(choice.prompt.length);
      gateway.metrics.prefixCacheHits.inc(cachedTokens);
      const decoder = new ChoiceDecoder(choice, gateway.text.tokenizer);
      const meter = new ChoiceMeter(gateway.metrics, arrived);
      return { choice, cachedTokens, pieces: generate(tokens, decoder, meter) };
    });
    if (plan.settings.stream) await streamAnswer(gateway, response, plan, running, controller);
    else await sendAnswer(response, plan, running, controller);
  } finally {
    // Whatever went wrong: no sequence outlives its request.
    controller.abort(new Error('the request is over'));
    permit.release();
  }
}

async function sendAnswer(
  response: ServerResponse,
  plan: GenerationPlan,
  running: readonly RunningChoice[],
  controller: AbortController,
): Promise<void> {
  const answers = await allOrAbort(running.map(collect), controller);
  const { returnTokenIds } = plan.settings;
  const choices = answers.map(({ choice, text, tokens, finishReason }): FinishedChoice => ({
    index: choice.index,
    text,
    finishReason,
    ...(returnTokenIds ? { tokenIds: tokens, promptTokenIds: choice.prompt } : {}),
  }));
  const usage = planUsage(
    plan,
    running,
    answers.map(({ tokens }) => tokens.length),
  );
  response.setHeader('content-type', 'application/json; charset=utf-8');
  response.end(JSON.stringify(plan.format.response(choices, usage)));
}

async function collect({ choice, pieces }: RunningChoice): Promise<Answer> {
  let text = '';
  const tokens: number[] = [];
  let finishReason: FinishReason = 'length';
  for await (const piece of pieces) {
    text += piece.text;
    tokens.push(piece.token);
    finishReason = piece.finishReason ?? finishReason;
  }
  return { choice, text, tokens, finishReason };
}

async function streamAnswer(
  gateway: Gateway,
  response: ServerResponse,
  plan: GenerationPlan,
  running: readonly RunningChoice[],
  controller: AbortController,
): Promise<void> {
  const events = new EventStream(response, controller.signal, gateway.limits);
  try {
    const counts = await allOrAbort(
      running.map((choice) => streamChoice(events, plan, choice)),
      controller,
    );
    if (plan.settings.includeUsage) await events.send(plan.format.usage(planUsage(plan, running, counts)));
    events.end();
  } finally {
    events.close();
  }
}

/** Resolves with the number of tokens. */
async function streamChoice(
  events: EventStream,
  { format, settings: { returnTokenIds } }: GenerationPlan,
  { choice, pieces }: RunningChoice,
): Promise<number> {
  const { index } = choice;
  const start = format.start({ index, ...(returnTokenIds ? { promptTokenIds: choice.prompt } : {}) });
  if (start !== null) await events.send(start);

  let tokens = 0;
  for await (const { token, text, finishReason } of pieces) {
    tokens += 1;
    if (returnTokenIds) await events.send(format.delta({ index, text, tokenIds: [token] }));
    else if (text !== '') await events.send(format.delta({ index, text }));
    if (finishReason !== null) await events.send(format.finish(index, finishReason));
  }
  return tokens;
}

/** A prompt counts once, however many choices it has; what of it was cached is told of its first. */
function planUsage(
  { prompts, settings }: GenerationPlan,
  running: readonly RunningChoice[],
  completionTokens: readonly number[],
): Usage {
  const sum = (counts: readonly number[]): number => counts.reduce((a, b) => a + b, 0);
  const firstChoices = running.filter(({ choice }) => choice.index % settings.choices === 0);
  return usageOf(
    sum(prompts.map(({ ids }) => ids.length)),
    sum(firstChoices.map(({ cachedTokens }) => cachedTokens)),
    sum(completionTokens),
  );
}
