/**
 * An orthogonal matrix Q of any size that spreads a few large values over all of them, applied in
 * O(n log n): random signs, then a Hadamard transform over the size's powers of two, then a discrete cosine
 * transform over what is left of it (such as 9 of 576).
 *
 * Rotating the residual stream by Q, and undoing it in the matrices that read it, changes no result but leaves
 * no outlier channels, which is what spoils 8-bit activations (QuaRot, arXiv:2404.00456).
 */
export class Rotation {
  readonly size: number;
  readonly #signs: Float64Array;
  readonly #odd: number;
  readonly #cosines: Float64Array;
  readonly #scratch: Float64Array;

  constructor(size: number) {
    this.size = size;
    this.#signs = signs(size);
    this.#odd = size / greatestPowerOfTwoIn(size);
    this.#cosines = cosineTransform(this.#odd);
    this.#scratch = new Float64Array(size);
  }

  /** Replaces each `size` values by their product with Q, as row vectors. */
  apply(values: Float32Array): void {
    for (let offset = 0; offset < values.length; offset += this.size) this.#rotate(values, offset);
  }

  /** Q itself, `[size, size]`. */
  matrix(): Float32Array {
    const q = new Float32Array(this.size ** 2);
    for (let i = 0; i < this.size; i++) q[i * this.size + i] = 1;
    this.apply(q);
    return q;
  }

  /** Replaces a matrix `[out, in]` by Qᵀ · matrix, in blocks of `size` outputs. */
  applyToOutputs(matrix: Float32Array, columns: number): void {
    const rows = matrix.length / columns;
    const column = new Float32Array(rows);
    for (let c = 0; c < columns; c++) {
      for (let row = 0; row < rows; row++) column[row] = matrix[row * columns + c]!;
      this.apply(column);
      for (let row = 0; row < rows; row++) matrix[row * columns + c] = column[row]!;
    }
  }

  #rotate(values: Float32Array, offset: number): void {
    const x = this.#scratch;
    for (let i = 0; i < this.size; i++) x[i] = values[offset + i]! * this.#signs[i]!;
    this.#hadamard(x);
    const odd = this.#odd;
    for (let block = 0; block < this.size; block += odd) {
      for (let i = 0; i < odd; i++) {
        let sum = 0;
        for (let j = 0; j < odd; j++) sum += this.#cosines[i * odd + j]! * x[block + j]!;
        values[offset + block + i] = sum;
      }
    }
  }

  /** The fast Walsh-Hadamard transform over strides of `odd`, normalised. */
  #hadamard(x: Float64Array): void {
    for (let stride = this.#odd; stride < this.size; stride *= 2) {
      for (let start = 0; start < this.size; start += 2 * stride) {
        for (let i = start; i < start + stride; i++) {
          const a = x[i]! * Math.SQRT1_2;
          const b = x[i + stride]! * Math.SQRT1_2;
          x[i] = a + b;
          x[i + stride] = a - b;
        }
      }
    }
  }
}

/** The greatest power of two that divides a size. */
export const greatestPowerOfTwoIn = (size: number): number => size & -size;

/** The orthonormal DCT-II, `[size, size]`. */
function cosineTransform(size: number): Float64Array {
  return Float64Array.from({ length: size * size }, (_, index) => {
    const row = Math.floor(index / size);
    const column = index % size;
    const norm = Math.sqrt((row === 0 ? 1 : 2) / size);
    return norm * Math.cos((Math.PI * (2 * column + 1) * row) / (2 * size));
  });
}

/** Always the same signs for a size, by a linear congruential generator (Numerical Recipes' constants). */
function signs(size: number): Float64Array {
  let state = size;
  return Float64Array.from({ length: size }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state >>> 31 === 0 ? 1 : -1;
  });
}
