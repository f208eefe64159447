import type { CacheArray, CacheValues } from './kv-layout.js';

/** Where the rows of one sequence are in an output of the model, `[members, heads, rows, width]`. */
export interface NewRows {
  readonly values: CacheValues;
  readonly member: number;
  readonly rows: number;
}

/**
 * The rows of one array of the cache, `[slots, outer, bucket, inner]`, in which `outer · inner` values belong to a
 * token; neighbouring slots need no copy.
 */
export class SlotArray {
  readonly #array: CacheArray;
  readonly #outer: number;
  readonly #inner: number;
  readonly #bucket: number;
  readonly #make: (length: number) => CacheValues;
  #values: CacheValues;

  constructor(array: CacheArray, bucket: number) {
    const { dtype, heads, width, transposed } = array;
    this.#array = array;
    this.#outer = transposed ? heads * width : heads;
    this.#inner = transposed ? 1 : width;
    this.#bucket = bucket;
    this.#make = dtype === 'f32' ? (length) => new Float32Array(length) : (length) => new Int8Array(length);
    this.#values = this.#make(0);
  }

  /** Slots `[first, first + count)`, without copying. */
  view(first: number, count: number): CacheValues {
    return this.#values.subarray(first * this.#slotSize, (first + count) * this.#slotSize);
  }

  /** Writes the first `count` of a member's new rows, as the model returns them, from `position` of a slot on. */
  append(slot: number, position: number, { values, member, rows }: NewRows, count: number): void {
    const { heads, width, transposed } = this.#array;
    const stride = transposed ? this.#bucket : 1;
    for (let head = 0; head < heads; head++) {
      for (let row = 0; row < count; row++) {
        const from = ((member * heads + head) * rows + row) * width;
        const start = transposed
          ? this.#start(slot, head * width, position + row)
          : this.#start(slot, head, position + row);
        copyRow(values, from, width, this.#values, start, stride);
      }
    }
  }

  /** Writes `count` rows, `[outer, count, inner]`, from `position` of a slot on. */
  write(slot: number, position: number, count: number, rows: CacheValues): void {
    const length = count * this.#inner;
    for (let outer = 0; outer < this.#outer; outer++) {
      const part = rows.subarray(outer * length, (outer + 1) * length);
      this.#values.set(part, this.#start(slot, outer, position));
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

/**
 * A decode step copies hundreds of rows that are so short that a view of one costs more than a loop. Each sort of
 * array has a loop of its own: one that meets both takes several times as long.
 */
function copyRow(
  source: CacheValues,
  from: number,
  width: number,
  target: CacheValues,
  start: number,
  stride: number,
): void {
  if (source instanceof Int8Array) copyBytes(source, from, width, target as Int8Array, start, stride);
  else copyFloats(source, from, width, target as Float32Array, start, stride);
}

function copyBytes(
  source: Int8Array,
  from: number,
  width: number,
  target: Int8Array,
  start: number,
  stride: number,
): void {
  for (let i = 0; i < width; i++) target[start + i * stride] = source[from + i]!;
}

function copyFloats(
  source: Float32Array,
  from: number,
  width: number,
  target: Float32Array,
  start: number,
  stride: number,
): void {
  for (let i = 0; i < width; i++) target[start + i * stride] = source[from + i]!;
}
