import type { Lengths } from '../loads/share-gpt.js';

/*
 * What all arms of the experiment have in common.
 */

/**
 * How stages and gateway are set for an emulated arm, where it is run as where it is simulated. Steps as vLLM makes them on a
 * GPU: 512 rows (its `max_num_batched_tokens` of chunked prefill), 256 sequences (its `max_num_seqs`).
 */
export const EXPERIMENT_SETTINGS = {
  maxBatchRows: 512,
  maxBatchSequences: 256,
  prefillChunk: 512,
  /** Rows of a chunk of a prompt that leaves stages idle. */
  prefillChunkAlone: 256,
  /** Percent of a step that a prompt may take from running sequences. */
  prefillShare: 50,
  maxRunning: 1_024,
  /** How long a sequence without a route waits for one, seconds. */
  reroutePatience: 60,
  /** How long a replica that stops waits for what it runs, seconds. */
  drain: 30,
  /** For so long less must be demanded before replicas are taken away, seconds. */
  scaleDownAfter: 15,
} as const;

const OUTPUT = 128;

const ofContext = (tokens: number): Lengths => ({ prompt: tokens - OUTPUT, output: OUTPUT });

/**
 * Tokens of the requests that arms are compared by: 512, 1,200 and 2,400 in all. In the mean a request of Azure's conversations has
 * 1,155 and 211 of them, of its code 2,048 and 28, of ShareGPT about 250 and 230.
 */
export const CONTEXTS = { short: ofContext(512), middle: ofContext(1_200), long: ofContext(2_400) } as const;
