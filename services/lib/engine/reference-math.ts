/** The arithmetic of a transformer on plain vectors. Nothing here is clever except `dot`. */

/** Four independent sums, since one would wait for each addition in turn. */
function dot(a: Float32Array, offset: number, x: Float32Array): number {
  const length = x.length;
  const whole = length - (length % 4);
  let s0 = 0;
  let s1 = 0;
  let s2 = 0;
  let s3 = 0;
  for (let i = 0; i < whole; i += 4) {
    s0 += a[offset + i]! * x[i]!;
    s1 += a[offset + i + 1]! * x[i + 1]!;
    s2 += a[offset + i + 2]! * x[i + 2]!;
    s3 += a[offset + i + 3]! * x[i + 3]!;
  }
  for (let i = whole; i < length; i++) s0 += a[offset + i]! * x[i]!;
  return s0 + s1 + s2 + s3;
}

/** `matrix [out, in]` times `x [in]`. */
export function matVec(matrix: Float32Array, x: Float32Array): Float32Array {
  const y = new Float32Array(matrix.length / x.length);
  for (let row = 0; row < y.length; row++) y[row] = dot(matrix, row * x.length, x);
  return y;
}

export const add = (a: Float32Array, b: Float32Array): Float32Array => a.map((value, i) => value + b[i]!);

/** Root mean square layer normalisation (arXiv:1910.07467). */
export function rmsNorm(x: Float32Array, weight: Float32Array, epsilon: number): Float32Array {
  const scale = 1 / Math.sqrt(dot(x, 0, x) / x.length + epsilon);
  return x.map((value, i) => value * scale * weight[i]!);
}

export const silu = (x: Float32Array): Float32Array => x.map((value) => value / (1 + Math.exp(-value)));

export function softmax(scores: Float32Array): Float32Array {
  const greatest = scores.reduce((a, b) => Math.max(a, b));
  const powers = scores.map((score) => Math.exp(score - greatest));
  const sum = powers.reduce((a, b) => a + b);
  return powers.map((power) => power / sum);
}

export function weightedSum(weights: Float32Array, vectors: readonly Float32Array[]): Float32Array {
  const sum = new Float32Array(vectors[0]!.length);
  for (const [index, vector] of vectors.entries()) {
    for (let i = 0; i < sum.length; i++) sum[i]! += weights[index]! * vector[i]!;
  }
  return sum;
}

/** Rotary position embedding of every head of `x`: element i turns with element i + headDim / 2. */
export function rotate(x: Float32Array, position: number, frequencies: Float64Array): Float32Array {
  const half = frequencies.length;
  const y = new Float32Array(x.length);
  for (let head = 0; head < x.length; head += 2 * half) {
    for (let i = 0; i < half; i++) {
      const cos = Math.cos(position * frequencies[i]!);
      const sin = Math.sin(position * frequencies[i]!);
      const a = x[head + i]!;
      const b = x[head + half + i]!;
      y[head + i] = a * cos - b * sin;
      y[head + half + i] = b * cos + a * sin;
    }
  }
  return y;
}
