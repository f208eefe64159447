import { ServingError } from '../../../services/lib/errors/serving-error.js';
import { checkedConfig } from '../../../services/lib/model/architectures/architecture.js';
import type { ModelConfig } from '../../../services/lib/model/types.js';
import { WEIGHTS_IN_BLOCK } from './random-blocks.js';
import { SMALLEST_VOCABULARY } from './vocabulary.js';

/** What tells one llama from another; counts. */
export type Shape = Pick<
  ModelConfig,
  'layers' | 'hidden' | 'intermediate' | 'heads' | 'kvHeads' | 'vocabulary' | 'maxPositions'
>;

/** Of models that have been trained. */
export const shapes = {
  'tinyllama-1.1b': {
    layers: 22,
    hidden: 2048,
    intermediate: 5632,
    heads: 32,
    kvHeads: 4,
    vocabulary: 32_000,
    maxPositions: 2048,
  },
  'llama-2-13b': {
    layers: 40,
    hidden: 5120,
    intermediate: 13_824,
    heads: 40,
    kvHeads: 40,
    vocabulary: 32_000,
    maxPositions: 4096,
  },
} as const satisfies Record<string, Shape>;

export type ShapeName = keyof typeof shapes;

/** Throws `checkpoint_invalid` or `invalid_config` for a shape that no llama can have, or that has no whole blocks. */
export function configOf(name: string, shape: Shape): ModelConfig {
  for (const [what, size] of [
    ['hidden', shape.hidden],
    ['intermediate', shape.intermediate],
  ] as const) {
    if (size % WEIGHTS_IN_BLOCK === 0) continue;
    throw new ServingError('invalid_config', `--${what} is ${size}, not a multiple of ${WEIGHTS_IN_BLOCK}`);
  }
  if (shape.vocabulary < SMALLEST_VOCABULARY) {
    throw new ServingError(
      'invalid_config',
      `--vocabulary is ${shape.vocabulary}, less than ${SMALLEST_VOCABULARY}`,
    );
  }
  return checkedConfig({
    architecture: 'llama',
    name,
    ...shape,
    headDim: shape.hidden / shape.heads,
    normEpsilon: 1e-5,
    ropeTheta: 10_000,
    ropeScaling: null,
    tiedHead: false,
  });
}
