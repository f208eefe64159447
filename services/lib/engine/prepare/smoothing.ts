/**
 * How much of the activations' spread moves into the weights. 0.4 was best for the down projection of the
 * demo model among 0.3 … 0.9 (`docs/adr/003`).
 */
const MIGRATION_STRENGTH = 0.4;

/** A channel that the calibration text never used still gets a finite factor. */
const FLOOR = 1e-5;

/**
 * SmoothQuant's factors (arXiv:2211.10438): activations are divided by them and the weights that read them
 * multiplied, so that neither has channels far larger than the others.
 */
export function smoothingFactors(activationMaxima: Float32Array, weightMaxima: Float32Array): Float32Array {
  return activationMaxima.map(
    (activation, channel) =>
      Math.max(activation, FLOOR) ** MIGRATION_STRENGTH /
      Math.max(weightMaxima[channel]!, FLOOR) ** (1 - MIGRATION_STRENGTH),
  );
}

/** Raises `maxima` to the largest magnitude in each column of a row-major matrix. */
export function columnMaxima(matrix: Float32Array, maxima: Float32Array): void {
  const columns = maxima.length;
  for (let row = 0; row < matrix.length; row += columns) {
    for (let column = 0; column < columns; column++) {
      maxima[column] = Math.max(maxima[column]!, Math.abs(matrix[row + column]!));
    }
  }
}
