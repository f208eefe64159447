import { ServingError } from '../../errors/serving-error.js';
import { PREFIX_BLOCK } from '../../model/prefix-blocks.js';
import type { StepItem } from '../../model/step.js';
import type { KvUsage } from '../types.js';
import { KvArena, SMALLEST_BUCKET } from './arena.js';
import { contiguous, groupByPadding, SHORT_ROWS } from './arrange.js';
import { bytesPerToken, type CacheValues, type KvLayout } from './kv-layout.js';
import { PrefixStore } from './prefix-store.js';

/** What the cache looks at of a step's item: the sequence has just `position` tokens cached, and `count` come. */
export type Extension = Pick<StepItem, 'sequence' | 'position' | 'count'>;

/** Items that run as one batch: `members` are the arena's slots from `firstSlot` on. */
export interface KvBatch<Item extends Extension = Extension> {
  readonly arena: KvArena;
  readonly firstSlot: number;
  /** Rows that each member has in the run: those of the longest; shorter ones are padded at their end. */
  readonly count: number;
  readonly members: readonly Item[];
}

interface Entry {
  readonly maxLength: number;
  length: number;
  arena: KvArena;
  slot: number;
}

/**
 * The KV cache of one stage. Sequences live in arenas by length, in powers of two: one that outgrows its arena
 * is copied to the next, so a token is copied a constant number of times and padding wastes at most half of
 * an arena. Knows nothing of how attention is computed.
 */
export class KvCache {
  readonly layout: KvLayout;
  readonly #capacity: number;
  readonly #entries = new Map<string, Entry>();
  readonly #arenas = new Map<number, KvArena>();
  readonly #prefixes: PrefixStore<CacheValues[]>;
  #used = 0;

  /**
   * `capacity` is in tokens; what is counted is what open sequences have cached. `prefixBytes` bounds what is kept
   * beside it of closed sequences.
   */
  constructor(layout: KvLayout, capacity: number, prefixBytes = 0) {
    this.layout = layout;
    this.#capacity = capacity;
    const blocks = Math.floor(prefixBytes / (PREFIX_BLOCK * bytesPerToken(layout)));
    this.#prefixes = new PrefixStore(blocks, () => this.#arena(SMALLEST_BUCKET).emptyBlock(PREFIX_BLOCK));
  }

  /** Tokens that open sequences have cached, of those that there is room for. */
  get usage(): KvUsage {
    return { used: this.#used, capacity: this.#capacity };
  }

  /**
   * Opens a sequence of at most `maxLength` tokens. Its room grows with it, and nothing is set aside for what may
   * never come. It starts with what is held of the blocks that it begins with, as far as there is room for them;
   * returns how many tokens that are.
   */
  open(sequence: string, maxLength: number, prefix: readonly string[] = []): number {
    if (this.#entries.has(sequence)) {
      throw new ServingError('invalid_frame', `sequence ${sequence} is open already`);
    }
    const arena = this.#arena(SMALLEST_BUCKET);
    const entry: Entry = { maxLength, length: 0, arena, slot: arena.add(sequence) };
    this.#entries.set(sequence, entry);
    const room = Math.min(maxLength, this.#capacity - this.#used);
    const blocks = this.#prefixes.find(prefix.slice(0, room / PREFIX_BLOCK));
    this.#used += blocks.length * PREFIX_BLOCK;
    this.#enlarge(entry, blocks.length * PREFIX_BLOCK);
    for (const [index, block] of blocks.entries()) {
      entry.arena.writeBlock(entry.slot, index * PREFIX_BLOCK, PREFIX_BLOCK, block);
    }
    entry.length = blocks.length * PREFIX_BLOCK;
    return entry.length;
  }

  /** Frees a sequence, and keeps the blocks that it begins with; unknown sequences are ignored. */
  close(sequence: string, prefix: readonly string[] = []): void {
    const entry = this.#entries.get(sequence);
    if (entry === undefined) return;
    this.#prefixes.keep(prefix.slice(0, entry.length / PREFIX_BLOCK), (index, block) =>
      entry.arena.readBlock(entry.slot, index * PREFIX_BLOCK, PREFIX_BLOCK, block),
    );
    this.#entries.delete(sequence);
    this.#used -= entry.length;
    this.#vacate(entry);
  }

  /** Tokens cached; undefined for a sequence that is not open. */
  length(sequence: string): number | undefined {
    return this.#entries.get(sequence)?.length;
  }

  /** Tokens that a sequence which is open may have at most. */
  maxLength(sequence: string): number {
    return this.#entry(sequence).maxLength;
  }

  /** Drops what is cached of a sequence from `length` on. */
  rewind(sequence: string, length: number): void {
    const entry = this.#entry(sequence);
    this.#used -= entry.length - length;
    entry.length = length;
  }

  /** Throws `kv_exhausted` unless there is room for the items' tokens. */
  requireRoom(items: readonly Pick<Extension, 'count'>[]): void {
    const wanted = items.reduce((sum, { count }) => sum + count, 0);
    if (this.#used + wanted <= this.#capacity) return;
    const problem = `${wanted} tokens do not fit: ${this.#used} of ${this.#capacity} are in use`;
    throw new ServingError('kv_exhausted', problem);
  }

  /**
   * Makes room for the items' tokens and groups them into batches: short ones of an arena together where that
   * pays (`groupByPadding`), longer ones alone. A batch has to be a contiguous range of slots, so sequences
   * that run together are swapped to be neighbours, and stay so: a steady set of sequences moves once. No
   * content changes, however often this is repeated.
   *
   * Each batch is arranged when it is asked for, and holds until the next one is.
   */
  *arrange<Item extends Extension>(items: readonly Item[]): Generator<KvBatch<Item>, void> {
    for (const { sequence, count } of items) this.#enlarge(this.#entry(sequence), count);
    const short = new Map<KvArena, Item[]>();
    const alone: Item[] = [];
    for (const item of items) {
      const { arena } = this.#entry(item.sequence);
      if (item.count > SHORT_ROWS) alone.push(item);
      else short.set(arena, [...(short.get(arena) ?? []), item]);
    }
    for (const [arena, sharing] of short) {
      for (const group of groupByPadding(sharing)) yield this.#batch(arena, group);
    }
    for (const item of alone) yield this.#batch(this.#entry(item.sequence).arena, [item]);
  }

  /**
   * Appends the new rows of a batch, of each array of the layout `[planes, members, heads, count, width]`, without
   * their padding, and advances it. Later batches may have been arranged in the meantime.
   */
  append({ members, count: rows }: KvBatch, newRows: readonly CacheValues[]): void {
    const { planes } = this.layout.shape;
    for (const [index, { sequence, position, count }] of members.entries()) {
      const entry = this.#entry(sequence);
      for (let plane = 0; plane < planes; plane++) {
        const member = plane * members.length + index;
        entry.arena.append(plane, entry.slot, position, newRows, { member, rows, count });
      }
      this.#used += count;
      entry.length = position + count;
    }
  }

  /** Brings the sequences of one arena together. */
  #batch<Item extends Extension>(arena: KvArena, items: readonly Item[]): KvBatch<Item> {
    const slots = items.map(({ sequence }) => this.#entry(sequence).slot);
    const { first, swaps } = contiguous(slots, arena.sequences.length);
    for (const [a, b] of swaps) this.#swap(arena, a, b);
    const bySequence = new Map(items.map((item) => [item.sequence, item]));
    const members = arena.sequences
      .slice(first, first + items.length)
      .map((sequence) => bySequence.get(sequence)!);
    return { arena, firstSlot: first, count: Math.max(...items.map(({ count }) => count)), members };
  }

  /** Moves a sequence to the smallest arena that holds `count` more tokens. */
  #enlarge(entry: Entry, count: number): void {
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
    const moved = arena.remove(slot);
    if (moved !== undefined) this.#entry(moved).slot = slot;
  }

  #swap(arena: KvArena, a: number, b: number): void {
    const first = this.#entry(arena.sequences[a]!);
    const second = this.#entry(arena.sequences[b]!);
    arena.swap(a, b);
    first.slot = b;
    second.slot = a;
  }

  #arena(bucket: number): KvArena {
    let arena = this.#arenas.get(bucket);
    if (arena === undefined) {
      arena = new KvArena(bucket, this.layout);
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
