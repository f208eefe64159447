import { joinActivations } from '../../lib/model/activations.js';
import { rowsCost, type Rows } from '../../lib/wire/frames.js';
import type { Arrival } from '../accounts/sequence-account.js';
import type { DraftedInput } from '../engine/engine-messages.js';
import { isDecode } from '../scheduling/work-queue.js';
import type { Sequence } from '../sequences/sequence.js';

/** A sequence's rows that wait for the engine, and still count against the credit of the link that they came over. */
export type Part = Rows & {
  readonly sequence: Sequence;
  readonly arrival: Arrival;
};

/** A sequence's rows as they arrived. Every item passes here, and to spread it would cost ten times as much. */
export const partOf = (rows: Rows, sequence: Sequence, arrival: Arrival): Part =>
  'tokens' in rows
    ? { item: rows.item, tokens: rows.tokens, sequence, arrival }
    : { item: rows.item, activations: rows.activations, sequence, arrival };

/** The engine takes the rows, or nobody does any more: who sent them may send as many anew. */
export function release(part: Part): void {
  part.sequence.upstream.consumed(rowsCost(part));
}

/** Cuts a part of a prompt in two after so many rows; only the end of a prompt wants a token, and what is scored are the last rows. */
export function dividePart(part: Part, rows: number): readonly [Part, Part] {
  const { item } = part;
  const { count, score = 0 } = item;
  const left = count - rows;
  const first = { ...item, count: rows, logits: 0, draft: [], score: Math.max(0, score - left) };
  const rest = { ...item, position: item.position + rows, count: left, score: Math.min(score, left) };
  if ('tokens' in part) {
    const { tokens } = part;
    return [
      { ...part, item: first, tokens: tokens.slice(0, rows) },
      { ...part, item: rest, tokens: tokens.slice(rows) },
    ];
  }
  const { activations } = part;
  const end = (activations.length / count) * rows;
  return [
    { ...part, item: first, activations: activations.subarray(0, end) },
    { ...part, item: rest, activations: activations.subarray(end) },
  ];
}

/**
 * Whether no other stage computes rows of the part's sequence meanwhile. A running sequence has no others. Of a prompt none are
 * further on where these are its first, or in the head, nor further back where they are its last, or where it comes in.
 */
export function isAlone(part: Part): boolean {
  const { item, sequence } = part;
  const isFarthest = item.position === sequence.startsAt || sequence.downstream.to === 'gateway';
  const isNearest = item.logits > 0 || 'tokens' in part;
  return isDecode(part) || (isFarthest && isNearest);
}

/**
 * One step's input, its rows copied together into an array that can be handed to the worker thread. `alone`: nothing
 * else is computed meanwhile.
 */
export function toStepInput(parts: readonly Part[], alone: boolean): DraftedInput {
  const items = parts.map(({ sequence, item: { position, count, logits, draft, score = 0 } }) => ({
    sequence: sequence.key,
    position,
    count,
    logits,
    draft,
    score,
  }));
  const tokens = parts.flatMap((part) => ('tokens' in part ? part.tokens : []));
  if (tokens.length > 0) return { items, alone, tokens: Int32Array.from(tokens) };
  const chunks = parts.flatMap((part) => ('activations' in part ? [part.activations] : []));
  return { items, alone, hidden: joinActivations(chunks) };
}
