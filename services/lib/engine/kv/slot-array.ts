import type { CacheArray, CacheValues } from './kv-layout.js';

/** The rows of one array of the cache, `[slots, outer, bucket, inner]`; neighbouring slots need no copy. */
export class SlotArray {
  readonly #outer: number;
  readonly #inner: number;
  readonly #bucket: number;
  readonly #make: (length: number) => CacheValues;
  #values: CacheValues;

  constructor({ dtype, outer, inner }: CacheArray, bucket: number) {
    this.#outer = outer;
    this.#inner = inner;
    this.#bucket = bucket;
    this.#make = dtype === 'f32' ? (length) => new Float32Array(length) : (length) => new Int8Array(length);
    this.#values = this.#make(0);
  }

  /** Slots `[first, first + count)`, without copying. */
  view(first: number, count: number): CacheValues {
    return this.#values.subarray(first * this.#slotSize, (first + count) * this.#slotSize);
  }

  /** Writes the first `count` of `rows` rows, `[outer, rows, inner]`, from `position` of a slot on. */
  write(slot: number, position: number, source: CacheValues, rows: number, count: number): void {
    const target = this.#values;
    const length = count * this.#inner;
    for (let outer = 0; outer < this.#outer; outer++) {
      const start = this.#start(slot, outer, position);
      const from = outer * rows * this.#inner;
      // A loop, since a view of so few values costs more than copying them: a decode step writes thousands.
      for (let i = 0; i < length; i++) target[start + i] = source[from + i]!;
    }
  }

  /** `count` rows of a slot from `position` on, `[outer, count, inner]`, put into `rows` or a new array. */
  read(slot: number, position: number, count: number, rows = this.empty(count)): CacheValues {
    const length = count * this.#inner;
    for (let outer = 0; outer < this.#outer; outer++) {
      const start = this.#start(slot, outer, position);
      rows.set(this.#values.subarray(start, start + length), outer * length);
    }
    return rows;
  }

  /** An array for so many rows. */
  empty(rows: number): CacheValues {
    return this.#make(this.#outer * rows * this.#inner);
  }

  /** Takes over the first `length` rows of a slot of another array. */
  copyFrom(other: SlotArray, from: number, to: number, length: number): void {
    for (let outer = 0; outer < this.#outer; outer++) {
      this.#rows(to, outer, length).set(other.#rows(from, outer, length));
    }
  }

  /** Exchanges two slots, of which only the first `length` rows matter. */
  swap(a: number, b: number, length: number): void {
    for (let outer = 0; outer < this.#outer; outer++) {
      const rowsOfA = this.#rows(a, outer, length);
      const rowsOfB = this.#rows(b, outer, length);
      const kept = rowsOfA.slice();
      rowsOfA.set(rowsOfB);
      rowsOfB.set(kept);
    }
  }

  /** Makes room for so many slots, and keeps what there is. */
  resize(slots: number): void {
    const resized = this.#make(slots * this.#slotSize);
    resized.set(this.#values.subarray(0, resized.length));
    this.#values = resized;
  }

  get #slotSize(): number {
    return this.#outer * this.#bucket * this.#inner;
  }

  #start(slot: number, outer: number, position: number): number {
    return ((slot * this.#outer + outer) * this.#bucket + position) * this.#inner;
  }

  #rows(slot: number, outer: number, length: number): CacheValues {
    const start = this.#start(slot, outer, 0);
    return this.#values.subarray(start, start + length * this.#inner);
  }
}
