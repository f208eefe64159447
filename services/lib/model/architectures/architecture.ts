import { ServingError } from '../../errors/serving-error.js';
import type { Warn } from '../checkpoint/opened-model.js';
import type { TensorTemplates } from '../tensor-names.js';
import type { ModelConfig } from '../types.js';

/** What a format's description of a model does not itself say. */
export interface ConfigContext {
  /** For a model that does not name itself. */
  readonly fallbackName: string;
  /** Shapes `[out, in]` by the file's own tensor names. */
  readonly shapes: ReadonlyMap<string, readonly number[]>;
  readonly warn: Warn;
}

export interface GgufContext extends ConfigContext {
  /** The file's `rope_freqs.weight`: divisors of the rotary frequencies. */
  readonly ropeFactors: readonly number[] | null;
}

/**
 * One family of models: how each format names its tensors and describes its shape. Both `config` functions
 * throw `unsupported_architecture` for what the engine does not compute, and `checkpoint_invalid`.
 */
export interface Architecture {
  readonly name: string;
  readonly gguf: {
    /** Values of `general.architecture`. */
    readonly architectures: readonly string[];
    readonly tensors: TensorTemplates;
    /** Tensors that hold nothing the configuration does not say. */
    readonly ignored: readonly RegExp[];
    /** Rows of q and k are stored in pairs for interleaved rotary embedding. */
    readonly interleavedRotary: boolean;
    config(metadata: Readonly<Record<string, unknown>>, context: GgufContext): ModelConfig;
  };
  readonly huggingFace: {
    /** Values of `architectures[0]` in config.json. */
    readonly classes: readonly string[];
    /** Values of `model_type`, for a config.json without classes. */
    readonly modelTypes: readonly string[];
    readonly tensors: TensorTemplates;
    readonly ignored: readonly RegExp[];
    config(json: unknown, context: ConfigContext): ModelConfig;
  };
}

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
