import { ServingError } from '../../errors/serving-error.js';
import { storedName, tensorNames, tensorShape, type TensorTemplates } from '../tensor-names.js';
import type { CheckpointText, ModelConfig, TensorName } from '../types.js';
import type { SamplingDefaults } from '../sampling-defaults.js';
import type { StoredTensor } from './stored-tensor.js';

/** What a format's reader makes of a file or folder: all that was declared, checked, and nothing read yet. */
export interface OpenedModel {
  readonly config: ModelConfig;
  readonly text: CheckpointText;
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

/**
 * Finds every tensor of the model among those that the files hold, with the shape the configuration says.
 * Throws `checkpoint_invalid` when one is missing or has another shape, and `unsupported_architecture` when
 * one is left over: a tensor that nothing reads (a bias, an expert, another norm) would change the answers.
 */
export function matchTensors(
  config: ModelConfig,
  { tensors: templates, ignored }: { readonly tensors: TensorTemplates; readonly ignored: readonly RegExp[] },
  stored: ReadonlyMap<string, StoredTensor>,
): Map<TensorName, StoredTensor> {
  const matched = new Map<TensorName, StoredTensor>();
  const leftOver = new Set(stored.keys());
  for (const name of tensorNames(config)) {
    const tensor = stored.get(storedName(templates, name));
    if (tensor === undefined) {
      throw new ServingError('checkpoint_invalid', `there is no tensor "${storedName(templates, name)}"`);
    }
    const expected = tensorShape(config, name).join(', ');
    if (tensor.shape.join(', ') !== expected) {
      throw new ServingError(
        'checkpoint_invalid',
        `tensor "${tensor.name}" has the shape [${tensor.shape.join(', ')}], not [${expected}]`,
      );
    }
    matched.set(name, tensor);
    leftOver.delete(tensor.name);
  }
  if (config.tiedHead) {
    matched.set('head', matched.get('embed')!);
    leftOver.delete(templates.head);
  }
  for (const name of leftOver) {
    if (ignored.some((pattern) => pattern.test(name))) continue;
    throw new ServingError(
      'unsupported_architecture',
      `tensor "${name}" is not part of a ${config.architecture} model`,
    );
  }
  return matched;
}
