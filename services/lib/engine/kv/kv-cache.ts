import { ServingError } from '../../errors/serving-error.js';
import type { KvUsage } from '../types.js';
import { KvArena, type KvShape } from './arena.js';
import { contiguous } from './contiguous.js';

/** `count` new tokens of a sequence. */
export interface Extension {
  readonly sequence: string;
  readonly count: number;
}

/** Sequences whose extensions run as one batch: `members` are the arena's slots from `firstSlot` on. */
export interface KvBatch {
  readonly arena: KvArena;
  readonly firstSlot: number;
  readonly count: number;
  readonly members: readonly { readonly sequence: string; readonly length: number }[];
}

interface Entry {
  readonly maxLength: number;
  length: number;
  arena: KvArena;
  slot: number;
}

const SMALLEST_BUCKET = 64;

/**
 * The KV cache of one stage. Sequences live in arenas by length, in powers of two: one that outgrows its arena
 * is copied to the next, so a token is copied a constant number of times and padding wastes at most half of
 * an arena. Knows nothing of how attention is computed.
 */
export class KvCache {
  readonly #shape: KvShape;
  readonly #capacity: number;
  readonly #entries = new Map<string, Entry>();
  readonly #arenas = new Map<number, KvArena>();
  #used = 0;

  /** `capacity` is in tokens; what is counted is each open sequence's greatest length. */
  constructor(shape: KvShape, capacity: number) {
    this.#shape = shape;
    this.#capacity = capacity;
  }

  get usage(): KvUsage {
    return { used: this.#used, capacity: this.#capacity };
  }

  /** Reserves room; throws `kv_exhausted` and reserves nothing when it does not fit. */
  open(sequence: string, maxLength: number): void {
    if (this.#entries.has(sequence)) {
      throw new ServingError('invalid_frame', `sequence ${sequence} is open already`);
    }
    if (this.#used + maxLength > this.#capacity) {
      throw new ServingError(
        'kv_exhausted',
        `${maxLength} tokens do not fit: ${this.#used} of ${this.#capacity} are in use`,
      );
    }
    this.#used += maxLength;
    const arena = this.#arena(SMALLEST_BUCKET);
    this.#entries.set(sequence, { maxLength, length: 0, arena, slot: arena.add(sequence) });
  }

  /** Frees a sequence; unknown ones are ignored. */
  close(sequence: string): void {
    const entry = this.#entries.get(sequence);
    if (entry === undefined) return;
    this.#entries.delete(sequence);
    this.#used -= entry.maxLength;
    this.#vacate(entry);
  }

  /** Tokens cached; undefined for a sequence that is not open. */
  length(sequence: string): number | undefined {
    return this.#entries.get(sequence)?.length;
  }

  /** Tokens reserved by a sequence that is open. */
  maxLength(sequence: string): number {
    return this.#entry(sequence).maxLength;
  }

  /**
   * Makes room for the extensions and groups them into batches: single tokens by arena, longer ones alone. A
   * batch has to be a contiguous range of slots, so sequences that run together are swapped to be neighbours,
   * and stay so: a steady set of sequences moves once. No content changes, however often this is repeated.
   */
  arrange(extensions: readonly Extension[]): KvBatch[] {
    const singles = new Map<KvArena, number[]>();
    const alone: Entry[] = [];
    for (const { sequence, count } of extensions) this.#reserve(this.#entry(sequence), count);
    for (const { sequence, count } of extensions) {
      const entry = this.#entry(sequence);
      if (count > 1) alone.push(entry);
      else singles.set(entry.arena, [...(singles.get(entry.arena) ?? []), entry.slot]);
    }
    const together = [...singles].map(([arena, slots]) => {
      const { first, swaps } = contiguous(slots, arena.sequences.length);
      for (const [a, b] of swaps) this.#swap(arena, a, b);
      return this.#batch(arena, first, slots.length, 1);
    });
    const counts = new Map(extensions.map(({ sequence, count }) => [sequence, count]));
    return [
      ...together,
      ...alone.map(({ arena, slot }) => this.#batch(arena, slot, 1, counts.get(arena.sequences[slot]!)!)),
    ];
  }

  /** Appends a batch's new rows, `[planes, members, kvHeads, count, headDim]`, and advances it. */
  append({ arena, firstSlot, count, members }: KvBatch, rows: Float32Array): void {
    const size = rows.length / (this.#shape.planes * members.length);
    for (let plane = 0; plane < this.#shape.planes; plane++) {
      for (const [index, { length }] of members.entries()) {
        const start = (plane * members.length + index) * size;
        arena.write(plane, firstSlot + index, length, rows.subarray(start, start + size));
      }
    }
    for (const { sequence } of members) this.#entry(sequence).length += count;
  }

  #batch(arena: KvArena, firstSlot: number, size: number, count: number): KvBatch {
    const members = arena.sequences
      .slice(firstSlot, firstSlot + size)
      .map((sequence) => ({ sequence, length: this.#entry(sequence).length }));
    return { arena, firstSlot, count, members };
  }

  /** Moves a sequence to the smallest arena that holds `count` more tokens. */
  #reserve(entry: Entry, count: number): void {
    const needed = entry.length + count;
    if (needed <= entry.arena.bucket) return;
    const target = this.#arena(2 ** Math.ceil(Math.log2(needed)));
    const slot = target.add(entry.arena.sequences[entry.slot]!);
    target.copyFrom(entry.arena, entry.slot, slot, entry.length);
    this.#vacate(entry);
    entry.arena = target;
    entry.slot = slot;
  }

  #vacate({ arena, slot }: Entry): void {
    const last = arena.sequences.at(-1)!;
    const moved = arena.remove(slot, this.#entries.get(last)?.length ?? 0);
    if (moved !== undefined) this.#entry(moved).slot = slot;
  }

  #swap(arena: KvArena, a: number, b: number): void {
    const first = this.#entry(arena.sequences[a]!);
    const second = this.#entry(arena.sequences[b]!);
    arena.swap(a, b, Math.max(first.length, second.length));
    first.slot = b;
    second.slot = a;
  }

  #arena(bucket: number): KvArena {
    let arena = this.#arenas.get(bucket);
    if (arena === undefined) {
      arena = new KvArena(bucket, this.#shape);
      this.#arenas.set(bucket, arena);
    }
    return arena;
  }

  #entry(sequence: string): Entry {
    const entry = this.#entries.get(sequence);
    if (entry === undefined) throw new ServingError('invalid_frame', `sequence ${sequence} is not open`);
    return entry;
  }
}
