import type { StoredTensor } from './stored-tensor.js';
import type { ModelConfig, TensorName, TextFiles } from './types.js';

/** What a format's reader makes of a file or folder: all that was declared, checked, and nothing read yet. */
export interface OpenedModel {
  readonly config: ModelConfig;
  readonly text: TextFiles;
  /** Every tensor of the model, `head` of a tied one too. */
  readonly tensors: ReadonlyMap<TensorName, StoredTensor>;
  /** Rows of q and k are stored in pairs for interleaved rotary embedding. */
  readonly interleavedRotary: boolean;
  /** Paths of all files that make up the model. */
  readonly files: readonly string[];
  close(): Promise<void>;
}
