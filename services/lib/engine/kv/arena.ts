import { arraysOf, type CacheValues, type KvLayout } from './kv-layout.js';
import { type NewRows, SlotArray } from './slot-array.js';

/** Token rows of the smallest slot; each next size is twice as large. */
export const SMALLEST_BUCKET = 64;

/**
 * The caches of sequences that share a length bucket, of each plane the arrays of its layout. Neighbouring slots
 * are a batch that needs no copy. Slots in use are always the first ones.
 */
export class KvArena {
  /** Token rows that a slot holds. */
  readonly bucket: number;
  /** The sequence in each used slot. */
  readonly sequences: string[] = [];
  readonly #planes: readonly (readonly SlotArray[])[];
  #capacity = 0;
  #resizes = 0;

  constructor(bucket: number, layout: KvLayout) {
    this.bucket = bucket;
    this.#planes = Array.from({ length: layout.shape.planes }, (_, plane) =>
      arraysOf(layout, plane).map((array) => new SlotArray(array, bucket)),
    );
  }

  /** How often all slots have moved to other arrays: what was viewed before is no part of the cache any more. */
  get resizes(): number {
    return this.#resizes;
  }

  /** Slots `[first, first + count)` of a plane, of each array `[count, outer, bucket, inner]`, without copying. */
  view(plane: number, first: number, count: number): CacheValues[] {
    return this.#planes[plane]!.map((array) => array.view(first, count));
  }

  /** Takes a new slot at the end. It is empty: nothing that another sequence left reaches this one. */
  add(sequence: string): number {
    if (this.sequences.length === this.#capacity) this.#resize(Math.max(1, 2 * this.#capacity));
    const slot = this.sequences.push(sequence) - 1;
    for (const array of this.#planes.flat()) array.clear(slot);
    return slot;
  }

  /** Frees a slot; the last one moves into it. Returns who moved. */
  remove(slot: number): string | undefined {
    const last = this.sequences.length - 1;
    const moved = this.sequences.pop()!;
    if (this.sequences.length === 0) this.#resize(0);
    if (slot === last) return undefined;
    this.sequences[slot] = moved;
    for (const array of this.#planes.flat()) array.move(last, slot);
    return moved;
  }

  /** Exchanges two slots. */
  swap(a: number, b: number): void {
    [this.sequences[a], this.sequences[b]] = [this.sequences[b]!, this.sequences[a]!];
    for (const array of this.#planes.flat()) array.swap(a, b);
  }

  /** Takes over the first `length` rows of another arena's slot. */
  copyFrom(other: KvArena, from: number, to: number, length: number): void {
    for (const [plane, arrays] of this.#planes.entries()) {
      for (const [index, array] of arrays.entries()) {
        array.copyFrom(other.#planes[plane]![index]!, from, to, length);
      }
    }
  }

  /** Writes a slot's new rows, of each array of a plane out of what the model returned of it, from `position` on. */
  append(
    plane: number,
    slot: number,
    position: number,
    returned: readonly CacheValues[],
    rows: NewRows,
  ): void {
    const arrays = this.#planes[plane]!;
    for (let index = 0; index < arrays.length; index++) {
      arrays[index]!.append(slot, position, returned[index]!, rows);
    }
  }

  /** The first `count` rows of a slot, of each array of a plane `[outer, count, inner]`. */
  read(plane: number, slot: number, count: number): CacheValues[] {
    return this.#planes[plane]!.map((array) => array.read(slot, 0, count));
  }

  /** Room for `count` rows of every array of every plane. */
  emptyBlock(count: number): CacheValues[] {
    return this.#planes.flat().map((array) => array.empty(count));
  }

  /** Copies `count` rows of a slot from `position` on into a block. */
  readBlock(slot: number, position: number, count: number, block: readonly CacheValues[]): void {
    for (const [index, array] of this.#planes.flat().entries()) {
      array.read(slot, position, count, block[index]);
    }
  }

  /** Copies a block of `count` rows into a slot. */
  writeBlock(slot: number, position: number, count: number, block: readonly CacheValues[]): void {
    for (const [index, array] of this.#planes.flat().entries()) {
      array.write(slot, position, count, block[index]!);
    }
  }

  #resize(slots: number): void {
    this.#capacity = slots;
    this.#resizes += 1;
    for (const array of this.#planes.flat()) array.resize(slots);
  }
}
