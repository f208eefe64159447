/** The shape of what is cached of one token: a row of `headDim` for each KV head, in each plane. */
export interface KvShape {
  /** Two a layer: keys and values. */
  readonly planes: number;
  readonly kvHeads: number;
  readonly headDim: number;
}

/**
 * The caches of sequences that share a length bucket. A plane is one typed array
 * `[slots, kvHeads, bucket, headDim]`, so neighbouring slots are a batch that needs no copy. Slots in use are
 * always the first ones.
 */
export class KvArena {
  /** Token rows that a slot holds. */
  readonly bucket: number;
  /** The sequence in each used slot. */
  readonly sequences: string[] = [];
  readonly #shape: KvShape;
  #planes: Float32Array[];
  #capacity = 0;

  constructor(bucket: number, shape: KvShape) {
    this.bucket = bucket;
    this.#shape = shape;
    this.#planes = Array.from({ length: shape.planes }, () => new Float32Array());
  }

  /** Slots `[first, first + count)` of a plane, `[count, kvHeads, bucket, headDim]`, without copying. */
  view(plane: number, first: number, count: number): Float32Array {
    return this.#planes[plane]!.subarray(first * this.#slotSize, (first + count) * this.#slotSize);
  }

  /** Takes a new slot at the end; its content is undefined. */
  add(sequence: string): number {
    if (this.sequences.length === this.#capacity) this.#grow();
    return this.sequences.push(sequence) - 1;
  }

  /** Frees a slot; the last one, with `lastLength` rows, moves into it. Returns who moved. */
  remove(slot: number, lastLength: number): string | undefined {
    const last = this.sequences.length - 1;
    const moved = this.sequences.pop()!;
    if (this.sequences.length === 0) this.#release();
    if (slot === last) return undefined;
    this.sequences[slot] = moved;
    this.#copyRows(this, last, slot, lastLength);
    return moved;
  }

  /** Exchanges two slots, of which only the first `length` rows matter. */
  swap(a: number, b: number, length: number): void {
    [this.sequences[a], this.sequences[b]] = [this.sequences[b]!, this.sequences[a]!];
    for (const plane of this.#planes) {
      for (let head = 0; head < this.#shape.kvHeads; head++) {
        const rowsOfA = this.#rows(plane, a, head, 0, length);
        const rowsOfB = this.#rows(plane, b, head, 0, length);
        const kept = rowsOfA.slice();
        rowsOfA.set(rowsOfB);
        rowsOfB.set(kept);
      }
    }
  }

  /** Takes over the first `length` rows of another arena's slot. */
  copyFrom(other: KvArena, from: number, to: number, length: number): void {
    this.#copyRows(other, from, to, length);
  }

  /** Writes the first `count` of a slot's new rows, `[kvHeads, rows, headDim]`, from `position` on. */
  write(plane: number, slot: number, position: number, rows: Float32Array, count: number): void {
    const { kvHeads, headDim } = this.#shape;
    const target = this.#planes[plane]!;
    const size = rows.length / kvHeads;
    for (let head = 0; head < kvHeads; head++) {
      const start = ((slot * kvHeads + head) * this.bucket + position) * headDim;
      // A loop, since a view of so few values costs more than copying them: a decode step writes thousands.
      for (let i = 0; i < count * headDim; i++) target[start + i] = rows[head * size + i]!;
    }
  }

  /** Reads `count` rows of a slot from `position` on into `rows`, `[kvHeads, count, headDim]`. */
  read(plane: number, slot: number, position: number, rows: Float32Array, count: number): void {
    const { kvHeads, headDim } = this.#shape;
    for (let head = 0; head < kvHeads; head++) {
      rows.set(this.#rows(this.#planes[plane]!, slot, head, position, count), head * count * headDim);
    }
  }

  get #slotSize(): number {
    return this.#shape.kvHeads * this.bucket * this.#shape.headDim;
  }

  #rows(plane: Float32Array, slot: number, head: number, position: number, count: number): Float32Array {
    const { kvHeads, headDim } = this.#shape;
    const start = ((slot * kvHeads + head) * this.bucket + position) * headDim;
    return plane.subarray(start, start + count * headDim);
  }

  #copyRows(other: KvArena, from: number, to: number, length: number): void {
    for (const [index, plane] of this.#planes.entries()) {
      for (let head = 0; head < this.#shape.kvHeads; head++) {
        this.#rows(plane, to, head, 0, length).set(other.#rows(other.#planes[index]!, from, head, 0, length));
      }
    }
  }

  #grow(): void {
    this.#capacity = Math.max(1, 2 * this.#capacity);
    this.#planes = this.#planes.map((plane) => {
      const grown = new Float32Array(this.#capacity * this.#slotSize);
      grown.set(plane);
      return grown;
    });
  }

  #release(): void {
    this.#capacity = 0;
    this.#planes = this.#planes.map(() => new Float32Array());
  }
}
