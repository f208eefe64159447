import { create } from '@bufbuild/protobuf';
import { ServingError } from '../errors/serving-error.js';
import {
  type Activations,
  type ActivationType,
  areNumbers,
  bytesPerActivation,
  joinActivations,
  viewActivations,
} from '../model/activations.js';
import { MAX_DRAFT, scoredRows, type DraftedItem } from '../model/step.js';
import { MAX_FRAME_BYTES } from './codec.js';
import { FrameSchema, ItemSchema, type Frame, type Item, type StageTime } from './gen/stage_pb.js';

const BYTES_PER_TOKEN = Uint32Array.BYTES_PER_ELEMENT;

/**
 * What an item's header may take on the wire: a sequence's id is a replica's, at most 63 characters, and a count;
 * a draft is at most `MAX_DRAFT` tokens; a path is 12 bytes for each of some sixty stages. The end of a prompt tells of its
 * chunks as well, which the room above the largest frame is enough for.
 */
const ITEM_HEADER_BYTES = 1_024;

/** Of how many of a prompt's chunks its end tells; some 14 bytes each, of every stage. */
export const MAX_CHUNKS = 64;

/** A step's item as it travels: the part of it that its sender chooses. */
export type ItemFields = Pick<Item, Exclude<keyof DraftedItem, 'score'> | 'epoch'> & {
  readonly score?: number;
  readonly parent?: string;
  readonly path?: StageTime[];
};

/** An item with its rows: token ids `[count]`, or activations `[count, hidden]`. */
export type Rows =
  | { readonly item: ItemFields; readonly tokens: readonly number[] }
  | { readonly item: ItemFields; readonly activations: Activations };

/** What the rows of a frame are. */
export interface RowShape {
  /** Values of a row; null where rows are token ids. */
  readonly hidden: number | null;
  readonly activations: ActivationType;
  readonly vocabulary: number;
}

/** How many rows of `hidden` values fit one frame. */
export function maxRowsPerFrame(hidden: number, type: ActivationType): number {
  const bytes = hidden * bytesPerActivation[type];
  return Math.max(1, Math.floor((MAX_FRAME_BYTES - ITEM_HEADER_BYTES) / bytes));
}

/** Packs items into as few frames as the size limit allows, in order. */
export function packFrames(rows: readonly Rows[]): Frame[] {
  const frames: Frame[] = [];
  let group: Rows[] = [];
  let size = 0;
  for (const entry of rows) {
    const bytes =
      ITEM_HEADER_BYTES + ('tokens' in entry ? entry.tokens.length * 5 : entry.activations.byteLength);
    if (group.length > 0 && size + bytes > MAX_FRAME_BYTES) {
      frames.push(frameOf(group));
      group = [];
      size = 0;
    }
    group.push(entry);
    size += bytes;
  }
  if (group.length > 0) frames.push(frameOf(group));
  return frames;
}

function frameOf(rows: readonly Rows[]): Frame {
  return create(FrameSchema, {
    items: rows.map(({ item }) => create(ItemSchema, item)),
    tokens: rows.flatMap((entry) => ('tokens' in entry ? entry.tokens : [])),
    activations: bytesOf(rows.flatMap((entry) => ('activations' in entry ? [entry.activations] : []))),
  });
}

/** Parts that lie one after the other, as a step's results do, are sent as they are; others are copied together once. */
function bytesOf(parts: readonly Activations[]): Uint8Array {
  if (parts.length === 0) return new Uint8Array();
  const isWhole = parts.every((part, index) => index === 0 || follows(part, parts[index - 1]!));
  const { buffer, byteOffset } = isWhole ? parts[0]! : joinActivations(parts);
  return new Uint8Array(
    buffer,
    byteOffset,
    parts.reduce((sum, { byteLength }) => sum + byteLength, 0),
  );
}

const follows = (part: Activations, before: Activations): boolean =>
  part.buffer === before.buffer && part.byteOffset === before.byteOffset + before.byteLength;

/** Bytes of credit that a frame costs: its payload, which is what fills the receiver's memory. */
export function frameCost(frame: Frame): number {
  return frame.activations.length + frame.tokens.length * BYTES_PER_TOKEN;
}

/** An item's share of what its frame costs. */
export function rowsCost(rows: Rows): number {
  return 'tokens' in rows ? rows.tokens.length * BYTES_PER_TOKEN : rows.activations.byteLength;
}

/** A frame's items: those that are right, and those that are not, whose sequences cannot go on. */
interface Unpacked {
  readonly rows: readonly Rows[];
  readonly refused: readonly { readonly item: ItemFields; readonly reason: ServingError }[];
}

/**
 * Takes a received frame apart. An item is refused with `invalid_frame` where it has no rows, a token id that is not
 * below `vocabulary`, an activation that is no number, not one drafted token for each row of logits but the first, or more rows to score than there
 * may be. Where the rows are not
 * exactly as many as the items announce (token ids when `hidden` is null, else rows of `hidden` activations), nobody
 * knows whose they are, and every item is refused.
 */
export function unpackFrame(frame: Frame, shape: RowShape): Unpacked {
  const mismatch = problemOfFrame(frame, shape);
  if (mismatch !== null) {
    const reason = new ServingError('invalid_frame', mismatch);
    return { rows: [], refused: frame.items.map((item) => ({ item, reason })) };
  }
  const rows: Rows[] = [];
  const refused: { item: ItemFields; reason: ServingError }[] = [];
  for (const entry of splitRows(frame, shape)) {
    const problem = problemOfItem(entry, shape);
    if (problem === null) rows.push(entry);
    else refused.push({ item: entry.item, reason: new ServingError('invalid_frame', problem) });
  }
  return { rows, refused };
}

function problemOfFrame(frame: Frame, { hidden, activations }: RowShape): string | null {
  const count = frame.items.reduce((sum, item) => sum + item.count, 0);
  if (hidden === null) {
    const isRight = frame.tokens.length === count && frame.activations.length === 0;
    return isRight ? null : `${frame.tokens.length} token ids for ${count} rows`;
  }
  const bytes = count * hidden * bytesPerActivation[activations];
  const isRight = frame.activations.length === bytes && frame.tokens.length === 0;
  return isRight ? null : `${frame.activations.length} bytes for ${count} rows of ${hidden}`;
}

function problemOfItem(entry: Rows, { vocabulary }: RowShape): string | null {
  const { count, logits, draft, score = 0 } = entry.item;
  if (count === 0) return 'an item without rows';
  if (logits > count || draft.length !== Math.max(0, logits - 1) || draft.length > MAX_DRAFT)
    return `${logits} rows of logits of ${count}, ${draft.length} drafted`;
  if (score > Math.min(count, scoredRows(vocabulary))) return `${score} rows to score of ${count}`;
  // Here and not only in the engine, where they would cost the others of their step that they are computed together.
  if ('activations' in entry) return areNumbers(entry.activations) ? null : 'activations that are no numbers';
  const wrong = entry.tokens.find((token) => token >= vocabulary);
  return wrong === undefined ? null : `token ${wrong} of ${vocabulary}`;
}

function splitRows(frame: Frame, { hidden, activations: type }: RowShape): Rows[] {
  let row = 0;
  if (hidden === null)
    return frame.items.map((item) => ({ item, tokens: frame.tokens.slice(row, (row += item.count)) }));
  const activations = asActivations(frame.activations, type);
  return frame.items.map((item) => ({
    item,
    activations: activations.subarray(row * hidden, (row += item.count) * hidden),
  }));
}

/** A view where the bytes lie on a value's boundary, as a stream leaves them; else a copy (a Buffer's `slice` is none). */
function asActivations(bytes: Uint8Array, type: ActivationType): Activations {
  const isAligned = bytes.byteOffset % bytesPerActivation[type] === 0;
  return viewActivations(type, isAligned ? bytes : new Uint8Array(bytes));
}
