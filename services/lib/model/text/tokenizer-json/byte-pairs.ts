import { z } from 'zod';
import { ServingError } from '../../../errors/serving-error.js';

/** Words longer than this are not remembered, nor more of them than `REMEMBERED`. */
const LONGEST_REMEMBERED = 256;
const REMEMBERED = 10_000;
/** Above every position in a text: an entry of the heap is a rank and a position in one number. */
const POSITIONS = 2 ** 31;

const text = z
  .string()
  .nullish()
  .transform((value) => value ?? undefined);
const flag = z
  .boolean()
  .nullish()
  .transform((value) => value ?? false);

const isId = (value: unknown): boolean => Number.isSafeInteger(value) && Number(value) >= 0;

/** Ids by token. No record of zod's, which passes over a token that is called `__proto__`. */
export const vocabularySchema = z.custom<Readonly<Record<string, number>>>(
  (value) =>
    typeof value === 'object' &&
    value !== null &&
    !Array.isArray(value) &&
    Object.values(value as Readonly<Record<string, unknown>>).every(isId),
  'expected ids by token',
);

/** `model` of a tokenizer.json. Without a type it is a BPE by its merges. */
export const bytePairSchema = z.looseObject({
  type: z.literal('BPE').default('BPE'),
  vocab: vocabularySchema,
  merges: z.array(z.unknown()),
  unk_token: text,
  continuing_subword_prefix: text,
  end_of_word_suffix: text,
  fuse_unk: flag,
  byte_fallback: flag,
  ignore_merges: flag,
});

/** Merges the characters of a piece into tokens, the pair that was learnt first before the others. */
export class BytePairs {
  readonly ids: ReadonlyMap<string, number>;
  readonly #settings: z.infer<typeof bytePairSchema>;
  readonly #unknown: number | undefined;
  /** By `left · radix + right`: the merge's rank. */
  readonly #ranks = new Map<number, number>();
  readonly #radix: number;
  /** By rank: the token that the merge makes. */
  readonly #merged: number[] = [];
  readonly #remembered = new Map<string, readonly number[]>();

  /** Throws `unsupported_tokenizer` for a merge that is no pair, or an unknown token without an id. */
  constructor(settings: z.infer<typeof bytePairSchema>) {
    this.#settings = settings;
    this.ids = new Map(Object.entries(settings.vocab));
    this.#radix = [...this.ids.values()].reduce((a, b) => Math.max(a, b), 0) + 1;
    const unknown = settings.unk_token;
    this.#unknown = unknown === undefined ? undefined : this.ids.get(unknown);
    if (unknown !== undefined && this.#unknown === undefined) {
      throw new ServingError(
        'unsupported_tokenizer',
        `tokenizer.json model.unk_token: "${unknown}" is not in the vocabulary`,
      );
    }
    const prefix = settings.continuing_subword_prefix?.length ?? 0;
    settings.merges.forEach((merge, rank) => {
      // Older files begin with the version of the format that the lines were in.
      if (typeof merge === 'string' && merge.startsWith('#version')) return;
      const [left, right] = pairOf(merge, rank);
      const ids = [left, right, left + right.slice(prefix)].map((token) => this.ids.get(token));
      // A merge of tokens that a trimmed vocabulary lacks can never happen.
      if (ids.includes(undefined)) return;
      this.#ranks.set(ids[0]! * this.#radix + ids[1]!, rank);
      this.#merged[rank] = ids[2]!;
    });
  }

  encode(piece: string): readonly number[] {
    if (this.#settings.ignore_merges) {
      const whole = this.ids.get(piece);
      if (whole !== undefined) return [whole];
    }
    const remembered = this.#remembered.get(piece);
    if (remembered !== undefined) return remembered;
    const tokens = this.#merge(this.#symbols(piece));
    if (piece.length <= LONGEST_REMEMBERED) {
      if (this.#remembered.size === REMEMBERED) this.#remembered.clear();
      this.#remembered.set(piece, tokens);
    }
    return tokens;
  }

  /** A token for each character, before any merge; its bytes, or the unknown token, where there is none. */
  #symbols(piece: string): number[] {
    const { continuing_subword_prefix: prefix = '', end_of_word_suffix: suffix = '' } = this.#settings;
    const symbols: number[] = [];
    let unknown = false;
    let at = 0;
    for (const character of piece) {
      const lead = at > 0 ? prefix : '';
      at += character.length;
      const symbol = lead + character + (at === piece.length ? suffix : '');
      const id = this.ids.get(symbol);
      if (id !== undefined) {
        if (unknown) symbols.push(this.#unknown!);
        unknown = false;
        symbols.push(id);
        continue;
      }
      const bytes = this.#settings.byte_fallback ? this.#bytes(symbol) : undefined;
      if (bytes !== undefined) symbols.push(...bytes);
      else if (this.#unknown !== undefined) {
        if (unknown && !this.#settings.fuse_unk) symbols.push(this.#unknown);
        unknown = true;
      }
    }
    if (unknown) symbols.push(this.#unknown!);
    return symbols;
  }

  #bytes(symbol: string): number[] | undefined {
    const ids = Array.from(Buffer.from(symbol), (byte) =>
      this.ids.get(`<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`),
    );
    return ids.every((id) => id !== undefined) ? ids : undefined;
  }

  /** O(n log n): a linked list of symbols, and a heap of the pairs that may be merged. */
  #merge(symbols: number[]): number[] {
    const next = Int32Array.from(symbols, (_, index) => (index + 1 < symbols.length ? index + 1 : -1));
    const previous = Int32Array.from(symbols, (_, index) => index - 1);
    const heap = new Heap();
    const offer = (left: number): void => {
      const right = left < 0 ? -1 : next[left]!;
      if (right < 0) return;
      const rank = this.#ranks.get(symbols[left]! * this.#radix + symbols[right]!);
      if (rank !== undefined) heap.push(rank * POSITIONS + left);
    };
    for (let index = 0; index < symbols.length; index += 1) offer(index);

    const gone = new Uint8Array(symbols.length);
    for (let entry = heap.pop(); entry !== undefined; entry = heap.pop()) {
      const left = entry % POSITIONS;
      const right = gone[left] === 1 ? -1 : next[left]!;
      if (right < 0) continue;
      const token = this.#merged[Math.floor(entry / POSITIONS)]!;
      // The pair may have become another one since it was offered.
      const rank = this.#ranks.get(symbols[left]! * this.#radix + symbols[right]!);
      if (rank === undefined || this.#merged[rank] !== token) continue;
      symbols[left] = token;
      gone[right] = 1;
      const after = next[right]!;
      next[left] = after;
      if (after >= 0) previous[after] = left;
      offer(previous[left]!);
      offer(left);
    }
    return symbols.filter((_, index) => gone[index] === 0);
  }
}

/** Two tokens, as a list or as a line with a space between them. */
function pairOf(merge: unknown, rank: number): [left: string, right: string] {
  const parts: unknown = typeof merge === 'string' ? merge.split(' ') : merge;
  if (Array.isArray(parts) && parts.length === 2) {
    const [left, right] = parts as unknown[];
    if (typeof left === 'string' && typeof right === 'string') return [left, right];
  }
  throw new ServingError(
    'unsupported_tokenizer',
    `tokenizer.json model.merges.${rank}: ${JSON.stringify(merge)} is no pair`,
  );
}

/** A binary heap, least number first. */
class Heap {
  readonly #entries: number[] = [];

  push(entry: number): void {
    const entries = this.#entries;
    let at = entries.length;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (entries[parent]! <= entry) break;
      entries[at] = entries[parent]!;
      at = parent;
    }
    entries[at] = entry;
  }

  pop(): number | undefined {
    const entries = this.#entries;
    const least = entries[0];
    const last = entries.pop();
    if (last === undefined || entries.length === 0) return least;
    let at = 0;
    for (let child = 1; child < entries.length; child = 2 * at + 1) {
      if (child + 1 < entries.length && entries[child + 1]! < entries[child]!) child += 1;
      if (entries[child]! >= last) break;
      entries[at] = entries[child]!;
      at = child;
    }
    entries[at] = last;
    return least;
  }
}
