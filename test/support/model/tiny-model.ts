import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { llama } from '../../../services/lib/model/architectures/llama.js';
import {
  storedName,
  tensorKind,
  tensorNames,
  tensorShape,
} from '../../../services/lib/model/tensor-names.js';
import type { ModelConfig, TensorName } from '../../../services/lib/model/types.js';
import type { GgufContent, GgufTensor, GgufValue } from './gguf-writer.js';
import { writeSafetensors, type SafetensorsTensor } from './safetensors-writer.js';

const VOCABULARY = ['<s>', '</s>', 'a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'];

/** A llama of two layers that fits a few kilobytes, the same in both formats. */
export const tinyConfig: ModelConfig = {
  architecture: 'llama',
  name: 'tiny',
  layers: 2,
  hidden: 8,
  heads: 2,
  kvHeads: 1,
  headDim: 4,
  intermediate: 12,
  vocabulary: VOCABULARY.length,
  maxPositions: 64,
  normEpsilon: 0.5 ** 16,
  ropeTheta: 10_000,
  ropeScaling: null,
  tiedHead: false,
};

/** Weights that differ everywhere and are exact in float32: the tensor's number, then the element's. */
export function tinyWeights(name: TensorName): Float32Array {
  const tensor = [...tensorNames(tinyConfig)].indexOf(name);
  const size = tensorShape(tinyConfig, name).reduce((product, length) => product * length, 1);
  return Float32Array.from({ length: size }, (_, index) => tensor + index / 1024);
}

export const tinyMetadata: Readonly<Record<string, GgufValue>> = {
  'general.architecture': 'llama',
  'general.name': 'tiny',
  'llama.block_count': 2,
  'llama.embedding_length': 8,
  'llama.feed_forward_length': 12,
  'llama.context_length': 64,
  'llama.attention.head_count': 2,
  'llama.attention.head_count_kv': 1,
  'llama.attention.layer_norm_rms_epsilon': 0.5 ** 16,
  'tokenizer.ggml.model': 'gpt2',
  'tokenizer.ggml.tokens': VOCABULARY,
  'tokenizer.ggml.token_type': VOCABULARY.map((_, id) => (id < 2 ? 3 : 1)),
  'tokenizer.ggml.merges': ['a b'],
  'tokenizer.ggml.bos_token_id': 0,
  'tokenizer.ggml.eos_token_id': 1,
};

/** The tiny model for `writeGguf`. */
export function tinyGguf(): GgufContent & { readonly tensors: GgufTensor[] } {
  const tensors = [...tensorNames(tinyConfig)].map((name) => ({
    name: storedName(llama.gguf.tensors, name),
    shape: tensorShape(tinyConfig, name),
    data: /[qk]$/.test(tensorKind(name)) ? interleaved(tinyWeights(name)) : tinyWeights(name),
  }));
  return { metadata: tinyMetadata, tensors };
}

/** Rows of each head in pairs, as llama.cpp's converter stores q and k: row 2j + half is row j of that half. */
function interleaved(weights: Float32Array): Float32Array {
  const { hidden, headDim } = tinyConfig;
  const rows = weights.length / hidden;
  const order = Array.from({ length: rows }, (_, row) => {
    const inHead = row % headDim;
    return row - inHead + (inHead % 2) * (headDim / 2) + Math.floor(inHead / 2);
  });
  return Float32Array.from(order.flatMap((row) => [...weights.subarray(row * hidden, (row + 1) * hidden)]));
}

export const tinyJson = {
  architectures: ['LlamaForCausalLM'],
  vocab_size: VOCABULARY.length,
  hidden_size: 8,
  intermediate_size: 12,
  num_hidden_layers: 2,
  num_attention_heads: 2,
  num_key_value_heads: 1,
  max_position_embeddings: 64,
  rms_norm_eps: 0.5 ** 16,
  rope_theta: 10_000,
  hidden_act: 'silu',
  tie_word_embeddings: false,
  bos_token_id: 0,
  eos_token_id: 1,
};

/** The tiny model for `writeSafetensors`. */
export function tinySafetensors(): Record<string, SafetensorsTensor> {
  return Object.fromEntries(
    [...tensorNames(tinyConfig)].map((name) => [
      storedName(llama.huggingFace.tensors, name),
      { dtype: 'F32', shape: tensorShape(tinyConfig, name), data: tinyWeights(name) },
    ]),
  );
}

/** The tiny model's tokens as a tokenizer.json. */
export const tinyTokenizer = {
  added_tokens: VOCABULARY.slice(0, 2).map((content, id) => ({
    id,
    content,
    special: true,
    normalized: false,
    single_word: false,
    lstrip: false,
    rstrip: false,
  })),
  normalizer: null,
  pre_tokenizer: null,
  post_processor: null,
  decoder: { type: 'Fuse' },
  model: {
    type: 'BPE',
    vocab: Object.fromEntries(VOCABULARY.map((token, id) => [token, id])),
    merges: [],
  },
};

/** Writes the tiny model's folder; `files` adds or replaces files, JSON unless it is bytes or text. */
export async function writeTinyFolder(folder: string, files: Record<string, unknown> = {}): Promise<string> {
  await mkdir(folder, { recursive: true });
  const all = {
    'config.json': tinyJson,
    'tokenizer.json': tinyTokenizer,
    'model.safetensors': writeSafetensors(tinySafetensors()),
    ...files,
  };
  for (const [name, content] of Object.entries(all)) {
    const raw = content instanceof Uint8Array || typeof content === 'string';
    await writeFile(join(folder, name), raw ? content : JSON.stringify(content));
  }
  return folder;
}
