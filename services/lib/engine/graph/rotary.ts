import type { ModelConfig, RopeScaling } from '../../model/types.js';

/**
 * Inverse frequencies of rotary position embedding (RoFormer, arXiv:2104.09864), `[headDim / 2]`, in radians
 * per position, after the model's context scaling.
 */
export function inverseFrequencies({ headDim, ropeTheta, ropeScaling }: ModelConfig): Float64Array {
  return Float64Array.from({ length: headDim / 2 }, (_, index) => {
    const frequency = ropeTheta ** ((-2 * index) / headDim);
    return ropeScaling === null ? frequency : scaled(frequency, index, ropeScaling);
  });
}

function scaled(frequency: number, index: number, scaling: RopeScaling): number {
  switch (scaling.type) {
    case 'linear':
      return frequency / scaling.factor;
    case 'factors':
      return frequency / scaling.factors[index]!;
    case 'llama3': {
      // Llama 3.1: long waves are interpolated, short ones kept, and those between blended
      // (https://github.com/meta-llama/llama-models, apply_scaling).
      const { factor, lowFrequencyFactor: low, highFrequencyFactor: high } = scaling;
      const turns = (scaling.originalMaxPositions * frequency) / (2 * Math.PI);
      if (turns < low) return frequency / factor;
      if (turns > high) return frequency;
      const blend = (turns - low) / (high - low);
      return ((1 - blend) / factor + blend) * frequency;
    }
  }
}

/** Cosines and sines of `positions × frequencies`, `[positions, headDim / 2]` each. */
export function rotaryAngles(
  frequencies: Float64Array,
  positions: readonly number[],
): { cos: Float32Array; sin: Float32Array } {
  const cos = new Float32Array(positions.length * frequencies.length);
  const sin = new Float32Array(positions.length * frequencies.length);
  let index = 0;
  for (const position of positions) {
    for (const frequency of frequencies) {
      const angle = position * frequency;
      cos[index] = Math.cos(angle);
      sin[index++] = Math.sin(angle);
    }
  }
  return { cos, sin };
}
