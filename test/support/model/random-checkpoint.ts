import { tensorNames, tensorShape } from '../../../services/lib/model/tensor-names.js';
import type { Checkpoint, ModelConfig, TensorName } from '../../../services/lib/model/types.js';

/** A small llama with grouped-query attention; tests change what they are about. */
export const smallConfig: ModelConfig = {
  architecture: 'llama',
  name: 'random',
  layers: 5,
  hidden: 48,
  heads: 6,
  kvHeads: 2,
  headDim: 8,
  intermediate: 96,
  vocabulary: 101,
  maxPositions: 1024,
  normEpsilon: 1e-5,
  ropeTheta: 10_000,
  ropeScaling: null,
  tiedHead: true,
};

/** A model of random weights, of the size a trained one's would have: the same for the same configuration. */
export function randomCheckpoint(config: ModelConfig = smallConfig): Checkpoint {
  const tensors = new Map<TensorName, Float32Array>();
  const names = [...tensorNames(config)];
  const tensor = (name: TensorName): Float32Array => {
    const stored = name === 'head' && config.tiedHead ? 'embed' : name;
    let values = tensors.get(stored);
    if (values === undefined) {
      const random = generator(names.indexOf(stored));
      const shape = tensorShape(config, stored);
      const spread = shape.length === 1 ? 0.2 : 2 / Math.sqrt(shape[1]!);
      const centre = shape.length === 1 ? 1 : 0;
      values = Float32Array.from(
        { length: shape.reduce((a, b) => a * b) },
        () => centre + spread * (2 * random() - 1),
      );
      tensors.set(stored, values);
    }
    return values;
  };
  return {
    config,
    digest: 'random',
    warnings: [],
    text: { tokenizer: {}, tokenizerConfig: {}, bosId: 1, eosIds: [2] },
    sampling: {},
    shape: (name) => tensorShape(config, name),
    read: (name, rows) => {
      const width = tensorShape(config, name)[1] ?? 1;
      const values = tensor(name);
      return Promise.resolve(
        rows === undefined ? values.slice() : values.slice(rows.start * width, rows.end * width),
      );
    },
    close: () => Promise.resolve(),
  };
}

/** Uniform in [0, 1): a linear congruential generator. */
export function generator(seed: number): () => number {
  let state = seed;
  return () => (state = (Math.imul(state, 1664525) + 1013904223) >>> 0) / 2 ** 32;
}

/** Token ids of the small model's vocabulary. */
export function randomTokens(count: number, seed = 1): number[] {
  const random = generator(seed);
  return Array.from({ length: count }, () => Math.floor(random() * smallConfig.vocabulary));
}
