import type { WeightRule } from './weight-rule.js';

/** Largest magnitude of a weight, kept symmetric. */
const GREATEST = 127;

/**
 * Largest magnitude of two neighbours' sum before rounding, where pairs are bounded: so little below 128 that
 * nothing is lost, and enough that two halves which both round up cannot make 129.
 */
const GREATEST_PAIR = 128 - 2 ** -20;

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
  readonly #rule: WeightRule;

  constructor(inputs: number, outputs: number, rule: WeightRule) {
    this.values = new Int8Array(inputs * outputs);
    this.scales = new Float32Array(outputs);
    this.#inputs = inputs;
    this.#outputs = outputs;
    this.#rule = rule;
  }

  /** Quantises the output channels from `start` on, given as rows `[count, in]`, each at its finest scale. */
  setChannels(start: number, rows: Float32Array): void {
    const inputs = this.#inputs;
    const count = rows.length / inputs;
    const inverse = new Float64Array(count);
    for (let channel = 0; channel < count; channel++) {
      const scale = finestScale(rows.subarray(channel * inputs, (channel + 1) * inputs), this.#rule);
      this.scales[start + channel] = scale;
      inverse[channel] = scale === 0 ? 0 : 1 / scale;
    }
    for (let i = 0; i < inputs; i++) {
      for (let channel = 0; channel < count; channel++) {
        const value = Math.round(rows[channel * inputs + i]! * inverse[channel]!);
        this.values[i * this.#outputs + start + channel] = value;
      }
    }
  }
}

/**
 * The smallest scale at which a channel `[in]` keeps the rule as it is. A smaller one with the few greatest pairs
 * lowered gains next to nothing: `docs/adr/003-int8-quantisation.md`.
 */
function finestScale(channel: Float32Array, rule: WeightRule): number {
  let greatest = 0;
  let pair = 0;
  for (let i = 0; i < channel.length; i++) {
    greatest = Math.max(greatest, Math.abs(channel[i]!));
    if (i % 2 === 1) pair = Math.max(pair, Math.abs(channel[i - 1]! + channel[i]!));
  }
  const scale = greatest / GREATEST;
  return rule === 'free' ? scale : Math.max(scale, pair / GREATEST_PAIR);
}
