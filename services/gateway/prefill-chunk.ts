/**
 * Rows of a chunk of a prompt that is alone: so few that the stages work on it at the same time, and enough for
 * their products to be nearly as fast as with more. A prompt of 128 tokens over three stages of one processor each
 * took 251 ms to its first token instead of 346, with 32 rows 246.
 */
const ROWS_ALONE = 64;

/** Rows of a chunk, at most `most`, while so many sequences run: several prompts keep all stages busy anyway. */
export function chunkRows(most: number, { running, stages }: { running: number; stages: number }): number {
  return running < stages ? Math.min(most, ROWS_ALONE) : most;
}
