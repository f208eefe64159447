import { z } from 'zod';
import { ServingError } from '../../errors/serving-error.js';
import { count, parseFields, positive } from '../parse-fields.js';
import type { ModelConfig } from '../types.js';
import type { Architecture, GgufContext } from './architecture.js';
import { checkedConfig } from './checked-config.js';
import { ggufRopeScaling, huggingFaceRope } from './rope-scaling.js';

const metadataSchema = z.object({
  'general.name': z.string().min(1).optional(),
  'llama.block_count': count,
  'llama.embedding_length': count,
  'llama.feed_forward_length': count,
  'llama.context_length': count,
  'llama.attention.head_count': count,
  'llama.attention.head_count_kv': count.optional(),
  'llama.attention.key_length': count.optional(),
  'llama.attention.value_length': count.optional(),
  'llama.attention.sliding_window': count.optional(),
  'llama.attention.layer_norm_rms_epsilon': positive,
  'llama.rope.dimension_count': count.optional(),
  'llama.rope.freq_base': positive.default(10_000),
  'llama.rope.scaling.type': z.string().optional(),
  'llama.rope.scaling.factor': z.number().nonnegative().optional(),
  'llama.expert_count': z.number().default(0),
});

function ggufConfig(metadata: Readonly<Record<string, unknown>>, context: GgufContext): ModelConfig {
  const fields = parseFields(metadataSchema, metadata, 'the GGUF metadata');
  const heads = fields['llama.attention.head_count'];
  const hidden = fields['llama.embedding_length'];
  const headDim = fields['llama.attention.key_length'] ?? hidden / heads;
  if (fields['llama.expert_count'] > 0) unsupported('a mixture of experts');
  if ((fields['llama.attention.value_length'] ?? headDim) !== headDim) unsupported('values wider than keys');
  if ((fields['llama.rope.dimension_count'] ?? headDim) !== headDim) unsupported('partial rotary embedding');

  return checkedConfig({
    architecture: llama.name,
    name: fields['general.name'] ?? context.fallbackName,
    layers: fields['llama.block_count'],
    hidden,
    heads,
    kvHeads: fields['llama.attention.head_count_kv'] ?? heads,
    headDim,
    intermediate: fields['llama.feed_forward_length'],
    // `llama.vocab_size` is optional and may leave out padding rows; the matrix itself can't be wrong.
    vocabulary: context.shapes.get(llama.gguf.tensors.embed)?.[0] ?? 0,
    maxPositions: withinWindow(fields['llama.context_length'], fields['llama.attention.sliding_window']),
    normEpsilon: fields['llama.attention.layer_norm_rms_epsilon'],
    ropeTheta: fields['llama.rope.freq_base'],
    ropeScaling: ggufRopeScaling(
      fields['llama.rope.scaling.type'],
      fields['llama.rope.scaling.factor'],
      context.ropeFactors,
    ),
    tiedHead: !context.shapes.has(llama.gguf.tensors.head),
  });
}

const configSchema = z.object({
  vocab_size: count,
  hidden_size: count,
  intermediate_size: count,
  num_hidden_layers: count,
  num_attention_heads: count,
  num_key_value_heads: count.nullish(),
  head_dim: count.nullish(),
  max_position_embeddings: count,
  rms_norm_eps: positive,
  hidden_act: z.string().default('silu'),
  tie_word_embeddings: z.boolean().default(false),
  attention_bias: z.boolean().default(false),
  mlp_bias: z.boolean().default(false),
  sliding_window: count.nullish(),
});

function huggingFaceConfig(json: unknown, name: string): ModelConfig {
  const fields = parseFields(configSchema, json, 'config.json');
  if (fields.hidden_act !== 'silu') unsupported(`the activation "${fields.hidden_act}"`);
  if (fields.attention_bias) unsupported('attention bias');
  if (fields.mlp_bias) unsupported('MLP bias');

  const heads = fields.num_attention_heads;
  return checkedConfig({
    architecture: llama.name,
    name,
    layers: fields.num_hidden_layers,
    hidden: fields.hidden_size,
    heads,
    kvHeads: fields.num_key_value_heads ?? heads,
    headDim: fields.head_dim ?? fields.hidden_size / heads,
    intermediate: fields.intermediate_size,
    vocabulary: fields.vocab_size,
    maxPositions: withinWindow(fields.max_position_embeddings, fields.sliding_window),
    normEpsilon: fields.rms_norm_eps,
    ...huggingFaceRope(json),
    tiedHead: fields.tie_word_embeddings,
  });
}

/**
 * A model with sliding-window attention (Mistral 7B v0.1) is served up to its window: no token of such a
 * context is old enough to fall out of it, so full attention, which is what the engine computes, is exact.
 */
const withinWindow = (positions: number, window: number | null | undefined): number =>
  Math.min(positions, window ?? positions);

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
