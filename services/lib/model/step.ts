/**
 * One sequence's rows in a step: `count` consecutive tokens from `position` on. It has this shape all the way from the
 * frame that it comes in to the cache that it ends in; each part of the way adds what it needs. What the sequence has
 * cached from `position` on, such as drafted tokens that were not accepted, is dropped first.
 */
export interface StepItem {
  readonly sequence: string;
  /** At most the number of tokens cached. */
  readonly position: number;
  readonly count: number;
  /** The head returns logits of so many of the last rows. */
  readonly logits: number;
}

/** Of the rows of logits all but the first are of drafted tokens, which the head verifies. */
export interface DraftedItem extends StepItem {
  readonly draft: readonly number[];
  /** The head scores so many of the last rows: each against the token of the prompt that comes after it, if one does. */
  readonly score?: number;
}

/** Rows whose logits an item needs, the last ones. */
export const logitRowsOf = ({ logits, score = 0 }: Pick<DraftedItem, 'logits' | 'score'>): number =>
  Math.max(logits, score);

/** What the logits of an item may take up, bytes. */
const MAX_LOGIT_BYTES = 8 << 20;

/** Rows of an item that may be scored. */
export const scoredRows = (vocabulary: number): number =>
  Math.max(1, Math.floor(MAX_LOGIT_BYTES / (vocabulary * Float32Array.BYTES_PER_ELEMENT)));

/** Tokens that may be drafted for one step of a sequence. */
export const MAX_DRAFT = 15;

/**
 * What a step costs beside its rows, in rows of a step that takes place anyway. Between 1 and 16 sequences, steps of
 * the 135M model took about 5.5 ms and 1.6 ms for each row on a processor with VNNI, those of a 1.1B model 23 ms and
 * 2 ms on one with AMX: 4 to 12 rows.
 */
export const ROWS_PER_STEP = 8;
