import type { TensorSource } from '../../model/shards/write-shard.js';
import type { Checkpoint, LayerTensor, TensorName } from '../../model/types.js';
import { rowBlocks } from './row-blocks.js';

/** The embedding's tensors at f32: like all of them, copied row by row. */
export const f32Embed = (checkpoint: Checkpoint): TensorSource[] => [f32Rows(checkpoint, 'embed', ['embed'])];

export function f32Layer(checkpoint: Checkpoint, layer: number): TensorSource[] {
  const rows = (name: string, ...parts: LayerTensor[]): TensorSource =>
    f32Rows(
      checkpoint,
      name,
      parts.map((part) => `layers.${layer}.${part}` as const),
    );
  return [
    rows('attn_norm', 'attn_norm'),
    rows('qkv', 'q', 'k', 'v'),
    rows('o', 'o'),
    rows('ffn_norm', 'ffn_norm'),
    rows('gate_up', 'gate', 'up'),
    rows('down', 'down'),
  ];
}

export const f32Head = (checkpoint: Checkpoint): TensorSource[] => [
  f32Rows(checkpoint, 'final_norm', ['final_norm']),
  f32Rows(checkpoint, 'head', ['head']),
];

/** Matrices that share their input, one below the other. */
function f32Rows(checkpoint: Checkpoint, name: string, parts: readonly TensorName[]): TensorSource {
  const shapes = parts.map((part) => checkpoint.shape(part));
  const rows = shapes.reduce((sum, [out]) => sum + out!, 0);
  return {
    name,
    dtype: 'f32',
    shape: [rows, ...shapes[0]!.slice(1)],
    async *chunks() {
      for (const part of parts) for await (const { values } of rowBlocks(checkpoint, part)) yield values;
    },
  };
}
