/** Largest magnitude of a signed integer of so many bits, kept symmetric. */
export const greatestLevel = (bits: 7 | 8): number => 2 ** (bits - 1) - 1;

/**
 * A matrix as signed integers with one scale per output channel, transposed to `[in, out]`: the layout that
 * ONNX Runtime's integer product takes. Filled a few output channels at a time.
 */
export class Int8Matrix {
  /** `[in, out]` */
  readonly values: Int8Array;
  /** `[out]`; a weight is its value times its channel's scale. */
  readonly scales: Float32Array;
  readonly #inputs: number;
  readonly #outputs: number;
  readonly #level: number;

  constructor(inputs: number, outputs: number, bits: 7 | 8) {
    this.values = new Int8Array(inputs * outputs);
    this.scales = new Float32Array(outputs);
    this.#inputs = inputs;
    this.#outputs = outputs;
    this.#level = greatestLevel(bits);
  }

  /** Quantises the output channels from `start` on, given as rows `[count, in]`, by their largest magnitude. */
  setChannels(start: number, rows: Float32Array): void {
    const inputs = this.#inputs;
    const count = rows.length / inputs;
    const inverse = new Float64Array(count);
    for (let channel = 0; channel < count; channel++) {
      let greatest = 0;
      for (let i = 0; i < inputs; i++) {
        greatest = Math.max(greatest, Math.abs(rows[channel * inputs + i]!));
      }
      this.scales[start + channel] = greatest / this.#level;
      inverse[channel] = greatest === 0 ? 0 : this.#level / greatest;
    }
    for (let i = 0; i < inputs; i++) {
      for (let channel = 0; channel < count; channel++) {
        const value = Math.round(rows[channel * inputs + i]! * inverse[channel]!);
        this.values[i * this.#outputs + start + channel] = value;
      }
    }
  }
}
