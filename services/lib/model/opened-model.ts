import { ServingError } from '../errors/serving-error.js';
import type { SamplingDefaults } from './sampling-defaults.js';
import type { StoredTensor } from './stored-tensor.js';
import type { ModelConfig, TensorName, TextFiles } from './types.js';

/** What a format's reader makes of a file or folder: all that was declared, checked, and nothing read yet. */
export interface OpenedModel {
  readonly config: ModelConfig;
  readonly text: TextFiles;
  readonly sampling: SamplingDefaults;
  /** Every tensor of the model, `head` of a tied one too. */
  readonly tensors: ReadonlyMap<TensorName, StoredTensor>;
  /** Rows of q and k are stored in pairs for interleaved rotary embedding. */
  readonly interleavedRotary: boolean;
  readonly warnings: readonly ServingError[];
  /** Paths of all files that make up the model. */
  readonly files: readonly string[];
  close(): Promise<void>;
}

/** Told of what a checkpoint says wrongly and can be served without, and of what becomes of it. */
export type Warn = (problem: string, consequence: string) => void;

/** A list of warnings and the function that fills it. */
export function collectWarnings(): { readonly warnings: readonly ServingError[]; readonly warn: Warn } {
  const warnings: ServingError[] = [];
  const warn: Warn = (problem, hint) => {
    warnings.push(new ServingError('checkpoint_invalid', problem, { hint }));
  };
  return { warnings, warn };
}
