import { z } from 'zod';
import { samplingDefaults } from '../sampling-defaults.js';

/**
 * How a prepared model lies on disk:
 *
 *     shards/<digest>/model.json  tokenizer.json  tokenizer_config.json
 *     shards/<digest>/<precision>/manifest.json  embed.bin  layer-000.bin …  head.bin
 *
 * One file a layer, so that any split opens just the files of its own layers and changing the split converts
 * nothing. Tensors start on page boundaries, so that they can be mapped into memory where they lie.
 */

/** Raised whenever what is written changes, be it only the numbers: no folder is half of one and half of another. */
export const SHARD_FORMAT_VERSION = 4;

export const PAGE_BYTES = 4096;

export const MODEL_FILE = 'model.json';
export const TOKENIZER_FILE = 'tokenizer.json';
export const TOKENIZER_CONFIG_FILE = 'tokenizer_config.json';
export const MANIFEST_FILE = 'manifest.json';
export const EMBED_FILE = 'embed.bin';
export const HEAD_FILE = 'head.bin';
export const layerFile = (layer: number): string => `layer-${String(layer).padStart(3, '0')}.bin`;

/** The files of a whole model, in the order in which they are written. */
export const shardFiles = (layers: number): string[] => [
  EMBED_FILE,
  ...Array.from({ length: layers }, (_, layer) => layerFile(layer)),
  HEAD_FILE,
];

const count = z.int().positive();

const tensorRecord = z.object({
  dtype: z.enum(['f32', 'f16', 'i8']),
  shape: z.array(count),
  /** Bytes from the start of the file. */
  offset: z.int().nonnegative().multipleOf(PAGE_BYTES),
  length: count,
});

const fileRecord = z.object({
  name: z.string(),
  size: count,
  sha256: z.string(),
  tensors: z.record(z.string(), tensorRecord),
});

export const manifestSchema = z.object({
  version: z.literal(SHARD_FORMAT_VERSION),
  digest: z.string(),
  precision: z.enum(['f32', 'int8']),
  /** What the preparing processor asks of weights (`quantize/weight-rule.ts`); null without integers. */
  weightRule: z.enum(['free', 'bounded-pairs']).nullable(),
  files: z.array(fileRecord),
});

export const modelFileSchema = z.object({
  version: z.literal(SHARD_FORMAT_VERSION),
  digest: z.string(),
  bosId: z.int().nullable(),
  eosIds: z.array(z.int()),
  /** Folders that were prepared before there was such a field have none. */
  sampling: samplingDefaults.default({}),
  config: z.object({
    architecture: z.string(),
    name: z.string(),
    layers: count,
    hidden: count,
    heads: count,
    kvHeads: count,
    headDim: count,
    intermediate: count,
    vocabulary: count,
    maxPositions: count,
    normEpsilon: z.number().positive(),
    ropeTheta: z.number().positive(),
    ropeScaling: z
      .discriminatedUnion('type', [
        z.object({
          type: z.literal('llama3'),
          factor: z.number(),
          lowFrequencyFactor: z.number(),
          highFrequencyFactor: z.number(),
          originalMaxPositions: count,
        }),
        z.object({ type: z.literal('factors'), factors: z.array(z.number()) }),
        z.object({ type: z.literal('linear'), factor: z.number() }),
      ])
      .nullable(),
    tiedHead: z.boolean(),
  }),
});

export type TensorRecord = z.infer<typeof tensorRecord>;
export type FileRecord = z.infer<typeof fileRecord>;
export type Manifest = z.infer<typeof manifestSchema>;
export type ModelFile = z.infer<typeof modelFileSchema>;
export type ShardDataType = TensorRecord['dtype'];
