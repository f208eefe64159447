import { z } from 'zod';
import { ServingError } from '../../errors/serving-error.js';
import { count, optionalCount, parseFields, positions, positive } from '../checkpoint/metadata.js';
import type { TensorTemplates } from '../tensor-names.js';
import type { ModelConfig } from '../types.js';
import { type Architecture, checkedConfig, type ConfigContext, type GgufContext } from './architecture.js';
import { ggufRopeScaling, huggingFaceRope } from './rope-scaling.js';

const metadataSchema = z.object({
  'general.name': z.string().optional(),
  'llama.block_count': count,
  'llama.embedding_length': count,
  'llama.feed_forward_length': count,
  'llama.context_length': positions,
  'llama.attention.head_count': count,
  'llama.attention.head_count_kv': optionalCount,
  'llama.attention.key_length': optionalCount,
  'llama.attention.value_length': optionalCount,
  'llama.attention.sliding_window': optionalCount,
  'llama.attention.layer_norm_rms_epsilon': positive,
  'llama.rope.dimension_count': optionalCount,
  'llama.rope.freq_base': positive.default(10_000),
  'llama.rope.scaling.type': z.string().optional(),
  'llama.rope.scaling.factor': z.number().nonnegative().optional(),
  // The factor's name until 2023, which llama.cpp still reads.
  'llama.rope.scale_linear': z.number().nonnegative().optional(),
  'llama.expert_count': optionalCount,
});

/** Counts that a GGUF may give for each layer. */
const PER_LAYER = [
  'llama.feed_forward_length',
  'llama.attention.head_count',
  'llama.attention.head_count_kv',
] as const;

function ggufConfig(metadata: Readonly<Record<string, unknown>>, context: GgufContext): ModelConfig {
  const fields = parseFields(metadataSchema, withEqualLayers(metadata), 'the GGUF metadata');
  const heads = fields['llama.attention.head_count'];
  const hidden = fields['llama.embedding_length'];
  const headDim = fields['llama.attention.key_length'] ?? hidden / heads;
  if (fields['llama.expert_count'] !== undefined) unsupported('a mixture of experts');
  if ((fields['llama.attention.value_length'] ?? headDim) !== headDim) unsupported('values wider than keys');
  if ((fields['llama.rope.dimension_count'] ?? headDim) !== headDim) unsupported('partial rotary embedding');

  return checkedConfig({
    architecture: llama.name,
    name: fields['general.name'] || context.fallbackName,
    layers: fields['llama.block_count'],
    hidden,
    heads,
    kvHeads: fields['llama.attention.head_count_kv'] ?? heads,
    headDim,
    intermediate: fields['llama.feed_forward_length'],
    // `llama.vocab_size` is optional and may leave out padding rows; the matrix itself can't be wrong.
    vocabulary: embeddingRows(llama.gguf.tensors, context),
    maxPositions: withinWindow(fields['llama.context_length'], fields['llama.attention.sliding_window']),
    normEpsilon: fields['llama.attention.layer_norm_rms_epsilon'],
    ropeTheta: fields['llama.rope.freq_base'],
    ropeScaling: ggufRopeScaling(
      fields['llama.rope.scaling.type'],
      fields['llama.rope.scaling.factor'] ?? fields['llama.rope.scale_linear'],
      context.ropeFactors,
    ),
    tiedHead: !context.shapes.has(llama.gguf.tensors.head),
  });
}

/** One number for what is given for each layer; the engine's layers are alike. */
function withEqualLayers(metadata: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const lists = PER_LAYER.flatMap((key) => {
    const values = metadata[key];
    return Array.isArray(values) ? [[key, values as unknown[]] as const] : [];
  });
  const different = lists.find(([, values]) => values.some((value) => value !== values[0]));
  if (different !== undefined) unsupported(`another ${different[0]} in some layers`);
  return { ...metadata, ...Object.fromEntries(lists.map(([key, values]) => [key, values[0]])) };
}

const embeddingRows = ({ embed }: TensorTemplates, { shapes }: ConfigContext): number =>
  shapes.get(embed)?.[0] ?? 0;

const configSchema = z.object({
  vocab_size: optionalCount,
  hidden_size: count,
  intermediate_size: count,
  num_hidden_layers: count,
  num_attention_heads: count,
  num_key_value_heads: optionalCount,
  head_dim: optionalCount,
  max_position_embeddings: positions.default(2048),
  rms_norm_eps: positive.default(1e-6),
  hidden_act: z.string().default('silu'),
  tie_word_embeddings: z.boolean().optional(),
  attention_bias: z.boolean().default(false),
  mlp_bias: z.boolean().default(false),
  partial_rotary_factor: z.number().default(1),
  sliding_window: optionalCount,
});

function huggingFaceConfig(json: unknown, context: ConfigContext): ModelConfig {
  const fields = parseFields(configSchema, json, 'config.json');
  if (!['silu', 'swish'].includes(fields.hidden_act)) unsupported(`the activation "${fields.hidden_act}"`);
  if (fields.attention_bias) unsupported('attention bias');
  if (fields.mlp_bias) unsupported('MLP bias');
  if (fields.partial_rotary_factor !== 1) unsupported('partial rotary embedding');

  const heads = fields.num_attention_heads;
  const vocabulary = embeddingRows(llama.huggingFace.tensors, context);
  if (vocabulary > 0 && fields.vocab_size !== undefined && fields.vocab_size !== vocabulary) {
    context.warn(
      `config.json: vocab_size is ${fields.vocab_size}, but the embedding has ${vocabulary} rows`,
      'the rows count',
    );
  }
  return checkedConfig({
    architecture: llama.name,
    name: context.fallbackName,
    layers: fields.num_hidden_layers,
    hidden: fields.hidden_size,
    heads,
    kvHeads: fields.num_key_value_heads ?? heads,
    headDim: fields.head_dim ?? fields.hidden_size / heads,
    intermediate: fields.intermediate_size,
    vocabulary,
    maxPositions: withinWindow(fields.max_position_embeddings, fields.sliding_window),
    normEpsilon: fields.rms_norm_eps,
    ...huggingFaceRope(json),
    tiedHead: fields.tie_word_embeddings ?? !context.shapes.has(llama.huggingFace.tensors.head),
  });
}

/**
 * A model with sliding-window attention (Mistral 7B v0.1) is served up to its window: no token of such a
 * context is old enough to fall out of it, so full attention, which is what the engine computes, is exact.
 */
const withinWindow = (length: number, window = length): number => Math.min(length, window);

function unsupported(feature: string): never {
  throw new ServingError('unsupported_architecture', `${feature} is not supported in a llama model`);
}

/** Llama 2 and 3, Mistral, SmolLM2, TinyLlama: RMS norm, rotary grouped-query attention, SwiGLU, no biases. */
export const llama: Architecture = {
  name: 'llama',
  gguf: {
    architectures: ['llama'],
    tensors: {
      embed: 'token_embd.weight',
      attn_norm: 'blk.{layer}.attn_norm.weight',
      q: 'blk.{layer}.attn_q.weight',
      k: 'blk.{layer}.attn_k.weight',
      v: 'blk.{layer}.attn_v.weight',
      o: 'blk.{layer}.attn_output.weight',
      ffn_norm: 'blk.{layer}.ffn_norm.weight',
      gate: 'blk.{layer}.ffn_gate.weight',
      up: 'blk.{layer}.ffn_up.weight',
      down: 'blk.{layer}.ffn_down.weight',
      final_norm: 'output_norm.weight',
      head: 'output.weight',
    },
    ignored: [/^rope_freqs\.weight$/, /^blk\.\d+\.attn_rot_embd$/],
    interleavedRotary: true,
    config: ggufConfig,
  },
  huggingFace: {
    classes: ['LlamaForCausalLM', 'MistralForCausalLM'],
    modelTypes: ['llama', 'mistral'],
    tensors: {
      embed: 'model.embed_tokens.weight',
      attn_norm: 'model.layers.{layer}.input_layernorm.weight',
      q: 'model.layers.{layer}.self_attn.q_proj.weight',
      k: 'model.layers.{layer}.self_attn.k_proj.weight',
      v: 'model.layers.{layer}.self_attn.v_proj.weight',
      o: 'model.layers.{layer}.self_attn.o_proj.weight',
      ffn_norm: 'model.layers.{layer}.post_attention_layernorm.weight',
      gate: 'model.layers.{layer}.mlp.gate_proj.weight',
      up: 'model.layers.{layer}.mlp.up_proj.weight',
      down: 'model.layers.{layer}.mlp.down_proj.weight',
      final_norm: 'model.norm.weight',
      head: 'lm_head.weight',
    },
    ignored: [/\.rotary_emb\.inv_freq$/],
    config: huggingFaceConfig,
  },
};
