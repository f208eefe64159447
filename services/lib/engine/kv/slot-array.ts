import type { CacheArray, CacheValues } from './kv-layout.js';

/** Which rows of an output of the model, `[members, heads, rows, width]`, are a sequence's: its member's first `count`. */
export interface NewRows {
  readonly member: number;
  readonly rows: number;
  readonly count: number;
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
  /** Room for one slot while two are exchanged: allocated each time, it would keep the garbage collector busy. */
  #spare: CacheValues;

  constructor(array: CacheArray, bucket: number) {
    const { dtype, heads, width, transposed } = array;
    this.#array = array;
    this.#outer = transposed ? heads * width : heads;
    this.#inner = transposed ? 1 : width;
    this.#bucket = bucket;
    this.#make = dtype === 'f32' ? (length) => new Float32Array(length) : (length) => new Int8Array(length);
    this.#values = this.#make(0);
    this.#spare = this.#make(0);
  }

  /** Slots `[first, first + count)`, without copying. */
  view(first: number, count: number): CacheValues {
    return this.#values.subarray(first * this.#slotSize, (first + count) * this.#slotSize);
  }

  /** Writes a sequence's new rows, out of `values` as the model returns them, from `position` of a slot on. */
  append(slot: number, position: number, values: CacheValues, { member, rows, count }: NewRows): void {
    const { heads, width, transposed } = this.#array;
    const source = { values, start: member * heads * rows * width, stride: rows * width };
    const target = this.#runs(slot, position);
    if (transposed) transposeRows(source, target, { heads, width, rows: count });
    else copyRuns(source, target, count * width, heads);
  }

  /** Writes `count` rows, `[outer, count, inner]`, from `position` of a slot on. */
  write(slot: number, position: number, count: number, rows: CacheValues): void {
    const length = count * this.#inner;
    copyRuns({ values: rows, start: 0, stride: length }, this.#runs(slot, position), length, this.#outer);
  }

  /** `count` rows of a slot from `position` on, `[outer, count, inner]`, put into `rows` or a new array. */
  read(slot: number, position: number, count: number, rows = this.empty(count)): CacheValues {
    const length = count * this.#inner;
    copyRuns(this.#runs(slot, position), { values: rows, start: 0, stride: length }, length, this.#outer);
    return rows;
  }

  /** An array for so many rows. */
  empty(rows: number): CacheValues {
    return this.#make(this.#outer * rows * this.#inner);
  }

  /** Takes over the first `length` rows of a slot of another array. */
  copyFrom(other: SlotArray, from: number, to: number, length: number): void {
    copyRuns(other.#runs(from, 0), this.#runs(to, 0), length * this.#inner, this.#outer);
  }

  /**
   * Copies a slot onto another: all of it, since one piece is copied faster than the many in which the rows that are
   * written lie.
   */
  move(from: number, to: number): void {
    this.#values.copyWithin(to * this.#slotSize, from * this.#slotSize, (from + 1) * this.#slotSize);
  }

  /** Makes a slot's content zero: what is masked in attention is multiplied by 0, which no NaN may meet. */
  clear(slot: number): void {
    this.view(slot, 1).fill(0);
  }

  /** Exchanges two slots. */
  swap(a: number, b: number): void {
    if (this.#spare.length === 0) this.#spare = this.#make(this.#slotSize);
    this.#spare.set(this.view(a, 1));
    this.move(b, a);
    this.#values.set(this.#spare, b * this.#slotSize);
  }

  /** Makes room for so many slots, and keeps what there is. */
  resize(slots: number): void {
    const resized = this.#make(slots * this.#slotSize);
    resized.set(this.#values.subarray(0, resized.length));
    this.#values = resized;
    if (slots === 0) this.#spare = this.#make(0);
  }

  get #slotSize(): number {
    return this.#outer * this.#bucket * this.#inner;
  }

  /** A slot's rows from `position` on: a run for each of `outer`. */
  #runs(slot: number, position: number): Runs {
    return {
      values: this.#values,
      start: this.#start(slot, 0, position),
      stride: this.#bucket * this.#inner,
    };
  }

  #start(slot: number, outer: number, position: number): number {
    return ((slot * this.#outer + outer) * this.#bucket + position) * this.#inner;
  }
}

/**
 * Of each head `rows` rows of `width` values become columns, one by one: each is written in one piece, and columns are
 * far apart. A step has hundreds of such copies of a row, so that nothing is made for a head of its own.
 */
function transposeRows(
  source: Runs,
  target: Runs,
  { heads, width, rows }: { readonly heads: number; readonly width: number; readonly rows: number },
): void {
  const [from, to] = [source.values, target.values];
  for (let head = 0; head < heads; head++) {
    const first = source.start + head * source.stride;
    for (let column = 0; column < width; column++) {
      const start = target.start + (head * width + column) * target.stride;
      for (let row = 0; row < rows; row++) to[start + row] = from[first + row * width + column]!;
    }
  }
}

/** Runs of `length` neighbouring values, each `stride` after the one before it. */
export interface Runs<Values = CacheValues> {
  readonly values: Values;
  readonly start: number;
  readonly stride: number;
}

/** A run from here on costs less to copy by `set` than in a loop, with the view that it needs. */
const LONG = 256;
/** From so many values on words pay for the views that they need. */
const MANY = 1_024;
const WORD = 4;

/**
 * Copies `count` runs of `length` values. A block of a transposed array is thousands of runs of 32 bytes, for which
 * `set` and the views that it needs cost more than words do. Each sort of array has a loop of its own: one that meets
 * several takes several times as long.
 */
export function copyRuns(source: Runs, target: Runs, length: number, count: number): void {
  if (length >= LONG) {
    copyLong(source, target, length, count);
  } else if (source.values instanceof Float32Array) {
    copyFloats(source, target, length, count);
  } else {
    const [from, to] = length * count < MANY ? [] : [inWords(source, length), inWords(target, length)];
    if (from && to) copyWords(from, to, length / WORD, count);
    else copyBytes(source, target, length, count);
  }
}

function copyLong(source: Runs, target: Runs, length: number, count: number): void {
  for (let run = 0; run < count; run++) {
    const from = source.start + run * source.stride;
    target.values.set(source.values.subarray(from, from + length), target.start + run * target.stride);
  }
}

/** The same bytes as words, if all of them are whole. */
function inWords({ values, start, stride }: Runs, length: number): Runs<Int32Array> | null {
  const { buffer, byteOffset } = values;
  const first = byteOffset + start;
  if (first % WORD !== 0 || stride % WORD !== 0 || length % WORD !== 0) return null;
  return {
    values: new Int32Array(buffer, 0, Math.floor(buffer.byteLength / WORD)),
    start: first / WORD,
    stride: stride / WORD,
  };
}

function copyWords(source: Runs<Int32Array>, target: Runs<Int32Array>, length: number, count: number): void {
  const [from, to] = [source.values, target.values];
  for (let run = 0; run < count; run++) {
    const first = source.start + run * source.stride;
    const start = target.start + run * target.stride;
    for (let i = 0; i < length; i++) to[start + i] = from[first + i]!;
  }
}

function copyBytes(source: Runs, target: Runs, length: number, count: number): void {
  const [from, to] = [source.values as Int8Array, target.values as Int8Array];
  for (let run = 0; run < count; run++) {
    const first = source.start + run * source.stride;
    const start = target.start + run * target.stride;
    for (let i = 0; i < length; i++) to[start + i] = from[first + i]!;
  }
}

function copyFloats(source: Runs, target: Runs, length: number, count: number): void {
  const [from, to] = [source.values as Float32Array, target.values as Float32Array];
  for (let run = 0; run < count; run++) {
    const first = source.start + run * source.stride;
    const start = target.start + run * target.stride;
    for (let i = 0; i < length; i++) to[start + i] = from[first + i]!;
  }
}
