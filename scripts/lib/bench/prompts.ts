import { createRandom } from '../../../services/lib/sampling/random.js';
import type { PromptSource } from './types.js';

/** Ids that every llama-like vocabulary has, above its special and byte tokens. */
const IDS = { first: 300, count: 31_700 };

/**
 * Prompts of random token ids: exact in length, and with no prefix in common that a cache could use. The same
 * seed gives the same prompts in the same order.
 */
export function randomPrompts(seed: number): PromptSource {
  const tokens = randomTokens(seed);
  return ({ promptTokens }) => tokens(promptTokens);
}

export function randomTokens(seed: number): (count: number) => number[] {
  const random = createRandom(seed);
  return (count) => Array.from({ length: count }, () => IDS.first + Math.floor(random() * IDS.count));
}
