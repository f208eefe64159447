import { setTimeout as delay } from 'node:timers/promises';
import { ServingError } from '../../lib/errors/serving-error.js';
import type { Backend, Generation } from '../generation/backend.js';
import type { Choice } from './choice.js';
import { ChoiceDecoder, type Piece } from './decoder.js';
import type { ModelText } from '../../lib/model/text/encode-chat.js';
import { ChoiceMeter, type ModelMetrics } from '../telemetry/model-metrics.js';
import type { RequestTrace } from '../telemetry/request-trace.js';

/** How long the choices of a request that have a route wait for those that have none, ms. */
const SIBLINGS_MS = 1_000;

/** What a choice runs on. */
export interface ChoiceRunner {
  readonly backend: Pick<Backend, 'generate'>;
  readonly text: Pick<ModelText, 'tokenizer'>;
  readonly metrics: ModelMetrics;
}

/** A choice whose sequence has been asked for; its pieces begin when it has a route. */
export class RunningChoice {
  readonly choice: Choice;
  readonly pieces: AsyncIterable<Piece>;
  readonly started: Promise<Generation>;
  /** Null while it has no route. */
  generation: Generation | null = null;
  /** Tokens that have come so far. */
  generated = 0;

  constructor(runner: ChoiceRunner, choice: Choice, trace: RequestTrace, signal: AbortSignal) {
    this.choice = choice;
    this.started = runner.backend
      .generate({ ...choice, trace: trace.sequence() }, signal)
      .then((generation) => {
        this.generation = generation;
        runner.metrics.began(choice.prompt.length, generation.cachedTokens);
        return generation;
      });
    this.pieces = this.#run(runner, trace);
  }

  get cachedTokens(): number {
    return this.generation?.cachedTokens ?? 0;
  }

  /**
   * A piece for each step, the last with the reason why it ended. The sequence is released before the last piece is
   * given out, and at once when the consumer breaks off.
   */
  async *#run({ text, metrics }: ChoiceRunner, trace: RequestTrace): AsyncGenerator<Piece> {
    const generation = await this.started;
    const decoder = new ChoiceDecoder(this.choice, text.tokenizer);
    const meter = new ChoiceMeter(metrics, trace);
    let last: Piece | null = null;
    for await (const step of generation.tokens) {
      this.generated += step.tokens.length;
      const piece = decoder.push(step);
      meter.tokens(piece.tokens.length);
      if (piece.finishReason !== null) {
        meter.finish(piece.finishReason);
        last = piece;
        break;
      }
      yield piece;
    }
    if (last === null) throw new ServingError('stream_broken', 'the tokens ended before the answer did');
    yield last;
  }
}

/**
 * Waits until all choices have a route, or, a moment after the first has one, no longer: the others may be waiting for the
 * room that the first take. Throws the first failure up to there, and aborts the rest.
 */
export async function untilRouted(
  choices: readonly RunningChoice[],
  controller: AbortController,
): Promise<void> {
  const routes = choices.map(({ started }) => started);
  const all = allOrAbort(routes, controller);
  const { signal } = controller;
  const patience = Promise.any(routes)
    .then(() => delay(SIBLINGS_MS, undefined, { signal, ref: false }))
    .catch(() => all);
  await Promise.race([all, patience]);
}

/**
 * Waits until all tasks have stopped. The first failure aborts the rest through `controller`, whose signal they
 * watch, and is thrown once none runs any more; so is the reason if the controller is aborted from outside.
 */
export async function allOrAbort<Result>(
  tasks: readonly Promise<Result>[],
  controller: AbortController,
): Promise<Result[]> {
  for (const task of tasks) task.catch((reason: unknown) => controller.abort(reason));
  await Promise.allSettled(tasks);
  controller.signal.throwIfAborted();
  return Promise.all(tasks);
}
