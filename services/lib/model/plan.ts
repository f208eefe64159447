import { createHash } from 'node:crypto';
import type { ServedConfig, TimedServed } from '../config/config.js';
import type { ActivationType } from './activations.js';
import { LETTER_EOS } from './gguf/letter-vocabulary.js';
import type { ModelFile } from './shards/format.js';
import { readModelFile } from './shards/open-shards.js';
import { type LayerRange, parseSplit } from './split.js';
import type { ModelConfig } from './types.js';
import { modelShape } from './shapes/model-shape.js';

/** Of `engine/timed/cost-model.ts`: raised whenever one of its figures may change. */
export const COST_MODEL_VERSION = 1;

type ServedModelFile = Pick<ModelFile, 'digest' | 'eosIds' | 'sampling'> & { readonly config: ModelConfig };

/** A model and how the mesh cuts it. */
export interface ModelPlan {
  readonly model: ServedModelFile;
  /** Of every stage, stage 0 first. */
  readonly ranges: readonly LayerRange[];
  /** What two processes compare before they talk. */
  readonly plan: {
    readonly modelDigest: string;
    readonly precision: string;
    readonly activations: ActivationType;
    readonly split: number[];
  };
}

/** Reads what a configuration names. Throws `shards_invalid`, `invalid_config` or `invalid_split`. */
export async function readPlan(served: ServedConfig): Promise<ModelPlan> {
  const { activations, split } = served;
  const model = served.engine === 'timed' ? modelOfShape(served) : await readModelFile(served.prepared);
  const ranges = parseSplit(split, model.config.layers);
  return {
    model,
    ranges,
    plan: {
      modelDigest: model.digest,
      precision: served.engine === 'timed' ? 'f16' : served.precision,
      activations,
      split: ranges.slice(1).map(({ start }) => start),
    },
  };
}

/** What is told wherever figures are: null of an engine that computes. Such as `timed (a100-40g, cost model 1)`. */
export function engineLabel(served: ServedConfig): string | null {
  if (served.engine === 'onnx') return null;
  const { device, dilation, hopSeconds } = served;
  const dilated = dilation === 1 ? '' : `, dilated x ${dilation}, hop ${hopSeconds * 1000} ms`;
  return `timed (${device}, cost model ${COST_MODEL_VERSION}${dilated})`;
}

/**
 * A model without weights. Its digest is of all that must be the same in each process of a mesh: not the device, for
 * stages may have different ones.
 */
function modelOfShape({ shape, dilation, hopSeconds }: TimedServed): ServedModelFile {
  const config = modelShape(shape);
  const common = { engine: 'timed', cost: COST_MODEL_VERSION, config, dilation, hopSeconds };
  return {
    digest: createHash('sha256').update(JSON.stringify(common)).digest('hex'),
    eosIds: [LETTER_EOS],
    sampling: {},
    config,
  };
}
