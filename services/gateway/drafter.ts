import type { Counter } from 'prom-client';
import { MAX_DRAFT } from '../lib/model/step.js';
import { Acceptance } from './acceptance.js';
import { DraftIndex } from './draft-index.js';
import type { GenerateRequest } from './backend.js';

export interface SpeculationMetrics {
  readonly draftTokens: Counter;
  readonly acceptedTokens: Counter;
}

/** Guesses the next tokens of one sequence from what it has so far, as many as its guesses have been worth. */
export class Drafter {
  readonly #index: DraftIndex;
  readonly #acceptance = new Acceptance();
  readonly #metrics: SpeculationMetrics;
  readonly #running: () => number;
  #match = 0;
  #drafted = 0;

  /** `running` says how many sequences share the steps now. */
  constructor(
    { prompt, maxTokens }: Pick<GenerateRequest, 'prompt' | 'maxTokens'>,
    metrics: SpeculationMetrics,
    running: () => number,
  ) {
    this.#index = new DraftIndex(prompt.length + maxTokens);
    for (const token of prompt) this.#index.add(token);
    this.#metrics = metrics;
    this.#running = running;
  }

  /** The tokens to try next, at most `room`. */
  draft(room: number): number[] {
    const match = this.#index.find();
    if (match === null) return [];
    const length = this.#acceptance.draftLength(match.length, this.#running());
    this.#match = match.length;
    this.#drafted = Math.min(length, room, MAX_DRAFT);
    this.#metrics.draftTokens.inc(this.#drafted);
    return this.#index.following(match, this.#drafted);
  }

  /** What a step sampled: the accepted tokens of the draft, if there was one, and one more. */
  sampled(tokens: readonly number[]): void {
    for (const token of tokens) this.#index.add(token);
    if (this.#drafted === 0) return;
    const accepted = tokens.length - 1;
    this.#acceptance.observe(this.#match, this.#drafted, accepted);
    this.#metrics.acceptedTokens.inc(accepted);
    this.#drafted = 0;
  }

  /** The step that carried the draft is lost; it tells nothing about the draft. */
  forget(): void {
    this.#drafted = 0;
  }
}
