import { ServingError } from '../../errors/serving-error.js';
import type { ModelConfig } from '../types.js';

/** Relations between the counts that the engine relies on; throws `checkpoint_invalid`. */
export function checkedConfig(config: ModelConfig): ModelConfig {
  const { heads, kvHeads, headDim, vocabulary } = config;
  if (heads % kvHeads !== 0) {
    throw new ServingError(
      'checkpoint_invalid',
      `${heads} heads do not share ${kvHeads} key-value heads evenly`,
    );
  }
  if (!Number.isInteger(headDim) || headDim % 2 !== 0) {
    throw new ServingError('checkpoint_invalid', `a head's size is ${headDim}, not an even number`);
  }
  if (vocabulary === 0) throw new ServingError('checkpoint_invalid', 'the model has no embedding matrix');
  const factors = config.ropeScaling?.type === 'factors' ? config.ropeScaling.factors : null;
  if (factors !== null && factors.length !== headDim / 2) {
    throw new ServingError(
      'checkpoint_invalid',
      `there are ${factors.length} rotary factors for ${headDim / 2} frequencies`,
    );
  }
  return config;
}
