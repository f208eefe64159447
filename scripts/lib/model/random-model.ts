import type { FileHandle } from 'node:fs/promises';
import { GGMLQuantizationType } from '@huggingface/gguf';
import { ServingError } from '../../../services/lib/errors/serving-error.js';
import { checkedConfig } from '../../../services/lib/model/architectures/architecture.js';
import { llama } from '../../../services/lib/model/architectures/llama.js';
import { writeWhole } from '../../../services/lib/model/write-whole.js';
import { storedName, tensorNames, tensorShape } from '../../../services/lib/model/tensor-names.js';
import {
  SMALLEST_VOCABULARY,
  vocabularyMetadata,
} from '../../../services/lib/model/gguf/letter-vocabulary.js';
import type { ModelConfig, TensorName } from '../../../services/lib/model/types.js';
import { ggufHeader, paddingOf, type GgufTensorInfo } from './gguf-header.js';
import {
  fillBlocks,
  randomEncodings,
  RandomWords,
  WEIGHTS_IN_BLOCK,
  type TypeName,
} from './random-weights.js';

interface RandomModelOptions {
  readonly config: ModelConfig;
  /** Of every matrix; norms are F32. */
  readonly type: TypeName;
  readonly seed: number;
  readonly file: string;
  /** Jinja; without one it takes no chats. */
  readonly chatTemplate?: string;
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: { readonly written: number; readonly total: number }) => void;
}

/** About so many bytes are in memory at once, whatever the model's size. */
const CHUNK_BYTES = 8 << 20;
/** Norms are spread evenly around 1 by up to so much. */
const NORM_SPREAD = 0.2;

interface PlannedTensor extends GgufTensorInfo {
  readonly tensor: TensorName;
  readonly offset: number;
  readonly bytes: number;
}

/**
 * Writes a llama of random weights as GGUF: of the size that keeps activations around 1, so that it computes as a
 * trained model does and says nothing. The same seed gives the same file. Throws `disk_full`, or `invalid_config`
 * where no file can be made; what is interrupted leaves nothing behind.
 */
export async function writeRandomModel(options: RandomModelOptions): Promise<void> {
  const { config, type, seed, file, chatTemplate } = options;
  const tensors = planTensors(config, type);
  const header = ggufHeader(
    {
      ...metadataOf(config, type),
      ...vocabularyMetadata(config.vocabulary),
      ...(chatTemplate !== undefined && { 'tokenizer.chat_template': chatTemplate }),
    },
    tensors,
  );
  try {
    await writeWhole(file, async (handle) => {
      await handle.write(header);
      await writeTensors(handle, tensors, new RandomWords(seed), options);
    });
  } catch (error) {
    options.signal?.throwIfAborted();
    throw isOpening(error) ? notWritable(file, error) : ServingError.from(error);
  }
}

const isOpening = (error: unknown): error is NodeJS.ErrnoException =>
  (error as NodeJS.ErrnoException).syscall === 'open';

const notWritable = (file: string, cause: Error): ServingError =>
  new ServingError('invalid_config', `${file} cannot be written: ${cause.message}`, {
    hint: 'choose another place with --out',
    cause,
  });

function planTensors(config: ModelConfig, type: TypeName): PlannedTensor[] {
  const encoding = randomEncodings[type];
  let offset = 0;
  return [...tensorNames(config)].map((tensor) => {
    const shape = tensorShape(config, tensor);
    const weights = shape.reduce((product, size) => product * size, 1);
    const matrix = shape.length > 1;
    const planned = {
      tensor,
      name: storedName(llama.gguf.tensors, tensor),
      shape,
      type: matrix ? encoding.type : GGMLQuantizationType.F32,
      offset,
      bytes: matrix ? (weights / WEIGHTS_IN_BLOCK) * encoding.blockBytes : weights * 4,
    };
    offset += planned.bytes + paddingOf(planned.bytes);
    return planned;
  });
}

async function writeTensors(
  handle: FileHandle,
  tensors: readonly PlannedTensor[],
  random: RandomWords,
  { type, signal, onProgress }: RandomModelOptions,
): Promise<void> {
  const { blockBytes } = randomEncodings[type];
  const buffer = new Uint8Array(CHUNK_BYTES - (CHUNK_BYTES % (4 * blockBytes)));
  const last = tensors.at(-1)!;
  const total = last.offset + last.bytes;
  for (const { tensor, shape, bytes, offset } of tensors) {
    for (let done = 0; done < bytes; done += buffer.length) {
      signal?.throwIfAborted();
      const chunk = buffer.subarray(0, Math.min(buffer.length, bytes - done));
      if (shape.length > 1)
        fillBlocks(chunk, randomEncodings[type], spreadOf(tensor, Number(shape[1])), random);
      else fillNorm(chunk, random);
      await handle.write(chunk);
      onProgress?.({ written: offset + done + chunk.length, total });
    }
    await handle.write(new Uint8Array(paddingOf(bytes)));
  }
}

/** A product with unit inputs has unit outputs when its weights have this standard deviation. */
const spreadOf = (tensor: TensorName, inputs: number): number =>
  tensor === 'embed' ? 1 : 1 / Math.sqrt(inputs);

function fillNorm(bytes: Uint8Array, random: RandomWords): void {
  const values = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  for (let at = 0; at < bytes.length; at += 4) {
    values.setFloat32(at, 1 + NORM_SPREAD * (2 * random.uniform() - 1), true);
  }
}

function metadataOf(config: ModelConfig, type: TypeName) {
  return {
    'general.architecture': config.architecture,
    'general.name': config.name,
    'general.file_type': randomEncodings[type].fileType,
    'general.quantization_version': 2,
    'llama.block_count': config.layers,
    'llama.context_length': config.maxPositions,
    'llama.embedding_length': config.hidden,
    'llama.feed_forward_length': config.intermediate,
    'llama.attention.head_count': config.heads,
    'llama.attention.head_count_kv': config.kvHeads,
    'llama.attention.layer_norm_rms_epsilon': { f32: config.normEpsilon },
    'llama.rope.dimension_count': config.headDim,
    'llama.rope.freq_base': { f32: config.ropeTheta },
    'llama.vocab_size': config.vocabulary,
  };
}

/** What tells one llama from another; counts. */
export type Shape = Pick<
  ModelConfig,
  'layers' | 'hidden' | 'intermediate' | 'heads' | 'kvHeads' | 'vocabulary' | 'maxPositions'
>;

/** Of models that have been trained. */
export const shapes = {
  'tinyllama-1.1b': {
    layers: 22,
    hidden: 2048,
    intermediate: 5632,
    heads: 32,
    kvHeads: 4,
    vocabulary: 32_000,
    maxPositions: 2048,
  },
  'llama-2-13b': {
    layers: 40,
    hidden: 5120,
    intermediate: 13_824,
    heads: 40,
    kvHeads: 40,
    vocabulary: 32_000,
    maxPositions: 4096,
  },
} as const satisfies Record<string, Shape>;

export type ShapeName = keyof typeof shapes;

/** Throws `checkpoint_invalid` or `invalid_config` for a shape that no llama can have, or that has no whole blocks. */
export function configOf(name: string, shape: Shape): ModelConfig {
  for (const [what, size] of [
    ['hidden', shape.hidden],
    ['intermediate', shape.intermediate],
  ] as const) {
    if (size % WEIGHTS_IN_BLOCK === 0) continue;
    throw new ServingError('invalid_config', `--${what} is ${size}, not a multiple of ${WEIGHTS_IN_BLOCK}`);
  }
  if (shape.vocabulary < SMALLEST_VOCABULARY) {
    throw new ServingError(
      'invalid_config',
      `--vocabulary is ${shape.vocabulary}, less than ${SMALLEST_VOCABULARY}`,
    );
  }
  return checkedConfig({
    architecture: 'llama',
    name,
    ...shape,
    headDim: shape.hidden / shape.heads,
    normEpsilon: 1e-5,
    ropeTheta: 10_000,
    ropeScaling: null,
    tiedHead: false,
  });
}
