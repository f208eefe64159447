import type { CacheValues } from './kv-layout.js';

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
