import { usageOf, type FinishReason, type Usage } from '../lib/openai/response-format.js';
import type { Choice, GenerationPlan } from './choice.js';
import type { Piece } from './choice-decoder.js';

/** A choice whose sequence runs. */
export interface RunningChoice {
  readonly choice: Choice;
  /** Of its prompt. */
  readonly cachedTokens: number;
  readonly pieces: AsyncIterable<Piece>;
}

/** What is known of a choice when it is done. */
export interface Finished {
  readonly tokens: number;
  readonly finishReason: FinishReason;
}

/** A prompt counts once, however many choices it has; what of it was cached is told of its first. */
export function usageOfPlan(
  { prompts, settings }: GenerationPlan,
  running: readonly RunningChoice[],
  finished: readonly Finished[],
): Usage {
  const sum = (counts: readonly number[]): number => counts.reduce((a, b) => a + b, 0);
  const firstChoices = running.filter(({ choice }) => choice.index % settings.choices === 0);
  return usageOf(
    sum(prompts.map(({ ids }) => ids.length)),
    sum(firstChoices.map(({ cachedTokens }) => cachedTokens)),
    sum(finished.map(({ tokens }) => tokens)),
  );
}
