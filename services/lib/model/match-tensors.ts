import { ServingError } from '../errors/serving-error.js';
import type { TensorTemplates } from './architectures/architecture.js';
import type { StoredTensor } from './stored-tensor.js';
import { tensorKind, tensorNames, tensorShape } from './tensor-names.js';
import type { ModelConfig, TensorName } from './types.js';

/** A format's name of a tensor. */
export function storedName(templates: TensorTemplates, name: TensorName): string {
  return templates[tensorKind(name)].replace('{layer}', name.split('.')[1] ?? '');
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
