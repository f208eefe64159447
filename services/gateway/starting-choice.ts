import { setTimeout as delay } from 'node:timers/promises';
import { allOrAbort } from './all-or-abort.js';
import type { RunningChoice } from './answer.js';
import type { Generation } from './backend.js';
import type { Choice } from './choice.js';
import { ChoiceDecoder, type Piece } from './choice-decoder.js';
import type { Gateway } from './gateway.js';
import { generate } from './generate.js';
import { ChoiceMeter } from './metrics.js';
import type { RequestTrace } from './request-trace.js';

/** How long the choices of a request that have a route wait for those that have none, ms. */
const SIBLINGS_MS = 1_000;

/** A choice whose sequence has been asked for; its pieces begin when it has a route. */
export class StartingChoice implements RunningChoice {
  readonly choice: Choice;
  readonly pieces: AsyncIterable<Piece>;
  readonly started: Promise<Generation>;
  /** Null while it has no route. */
  generation: Generation | null = null;

  constructor(gateway: Gateway, choice: Choice, trace: RequestTrace, signal: AbortSignal) {
    this.choice = choice;
    this.started = gateway.backend
      .generate({ ...choice, trace: trace.sequence() }, signal)
      .then((generation) => {
        this.generation = generation;
        gateway.metrics.promptTokens.inc(choice.prompt.length);
        gateway.metrics.prefixCacheQueries.inc(choice.prompt.length);
        gateway.metrics.prefixCacheHits.inc(generation.cachedTokens);
        return generation;
      });
    this.pieces = this.#run(gateway, trace);
  }

  get cachedTokens(): number {
    return this.generation?.cachedTokens ?? 0;
  }

  async *#run(gateway: Gateway, trace: RequestTrace): AsyncGenerator<Piece> {
    const { tokens } = await this.started;
    const decoder = new ChoiceDecoder(this.choice, gateway.text.tokenizer);
    yield* generate(tokens, decoder, new ChoiceMeter(gateway.metrics, trace));
  }
}

/**
 * Waits until all choices have a route, or, a moment after the first has one, no longer: the others may be waiting for the
 * room that the first take. Throws the first failure up to there, and aborts the rest.
 */
export async function untilRouted(
  choices: readonly StartingChoice[],
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
