import type { Lengths } from '../loads/share-gpt.js';

const OUTPUT = 128;

const ofContext = (tokens: number): Lengths => ({ prompt: tokens - OUTPUT, output: OUTPUT });

/**
 * Tokens of the requests that are compared: 512, 1,200 and 2,400 in all. In the mean a request of Azure's conversations has 1,155
 * and 211 of them, of its code 2,048 and 28, of ShareGPT about 250 and 230.
 */
export const CONTEXTS = { short: ofContext(512), middle: ofContext(1_200), long: ofContext(2_400) } as const;
