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
