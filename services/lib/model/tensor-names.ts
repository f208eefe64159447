import type { LayerTensor, ModelConfig, TensorName } from './types.js';

const LAYER_TENSORS: readonly LayerTensor[] = [
  'attn_norm',
  'q',
  'k',
  'v',
  'o',
  'ffn_norm',
  'gate',
  'up',
  'down',
];

/** The nine tensors of a layer. */
export const layerTensorNames = (layer: number): TensorName[] =>
  LAYER_TENSORS.map((tensor): TensorName => `layers.${layer}.${tensor}`);

/** Every tensor that a model stores, in the order of use. A tied head is not stored. */
export function* tensorNames(config: ModelConfig): Generator<TensorName> {
  yield 'embed';
  for (let layer = 0; layer < config.layers; layer++) yield* layerTensorNames(layer);
  yield 'final_norm';
  if (!config.tiedHead) yield 'head';
}

type TensorKind = 'embed' | 'final_norm' | 'head' | LayerTensor;

/** The part of a name that is the same in every layer: `layers.7.q` is a `q`. */
export function tensorKind(name: TensorName): TensorKind {
  if (name === 'embed' || name === 'final_norm' || name === 'head') return name;
  return name.slice(name.lastIndexOf('.') + 1) as LayerTensor;
}

/** A format's name of every tensor; `{layer}` stands for the layer's number. */
export type TensorTemplates = Readonly<Record<TensorKind, string>>;

/** A format's name of a tensor. */
export function storedName(templates: TensorTemplates, name: TensorName): string {
  return templates[tensorKind(name)].replace('{layer}', name.split('.')[1] ?? '');
}

/** The shape that the configuration gives a tensor: `[out, in]` or `[size]`. */
export function tensorShape(config: ModelConfig, name: TensorName): readonly number[] {
  const { hidden, intermediate, vocabulary } = config;
  const query = config.heads * config.headDim;
  const keyValue = config.kvHeads * config.headDim;
  const shapes = {
    embed: [vocabulary, hidden],
    attn_norm: [hidden],
    q: [query, hidden],
    k: [keyValue, hidden],
    v: [keyValue, hidden],
    o: [hidden, query],
    ffn_norm: [hidden],
    gate: [intermediate, hidden],
    up: [intermediate, hidden],
    down: [hidden, intermediate],
    final_norm: [hidden],
    head: [vocabulary, hidden],
  };
  return shapes[tensorKind(name)];
}
