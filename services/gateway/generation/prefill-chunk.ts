/**
 * Rows of a chunk of a prompt that is alone: so few that the stages work on it at the same time, and enough for
 * their products to be nearly as fast as with more. A prompt of 128 tokens over three stages of one processor each
 * took 251 ms to its first token instead of 346, with 32 rows 246.
 */
const ROWS_ALONE = 64;

/** How much more a chunk may have, so that no short one is left: that would cost nearly as much, and comes last. */
const STRETCH = 9 / 8;

/**
 * Rows of a chunk, at most `most`, of a prompt of which `rows` are to be computed: even ones while fewer sequences run
 * than there are stages; several prompts keep all stages busy anyway.
 */
export function chunkRows(
  most: number,
  { rows, running, stages }: { rows: number; running: number; stages: number },
): number {
  if (running >= stages) return most;
  const chunks = Math.ceil(rows / (ROWS_ALONE * STRETCH));
  return Math.min(most, Math.ceil(rows / chunks));
}
