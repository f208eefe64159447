import { createRandom } from '../../../services/lib/sampling/random.js';

/** Ids that every llama-like vocabulary has, above its special and byte tokens. */
const IDS = { first: 300, count: 31_700 };

/**
 * Prompts of random token ids: exact in length, and with no prefix in common that a cache could use. The same
 * seed gives the same prompts in the same order.
 */
export function promptSource(seed: number): (length: number) => number[] {
  const random = createRandom(seed);
  return (length) => Array.from({ length }, () => IDS.first + Math.floor(random() * IDS.count));
}
