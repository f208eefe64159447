import type { ServedConfig } from '../config/config.js';
import type { ActivationType } from './activations.js';
import { type LayerRange, parseSplit } from './split.js';
import { readModelFile } from './shards/open-shards.js';
import type { ModelFile } from './shards/format.js';

/** A prepared model and how the mesh cuts it. */
interface ModelPlan {
  readonly model: ModelFile;
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

/** Reads what a configuration names. Throws `shards_invalid` or `invalid_split`. */
export async function readPlan(served: ServedConfig): Promise<ModelPlan> {
  const { prepared, precision, activations, split } = served;
  const model = await readModelFile(prepared);
  const ranges = parseSplit(split, model.config.layers);
  return {
    model,
    ranges,
    plan: {
      modelDigest: model.digest,
      precision,
      activations,
      split: ranges.slice(1).map(({ start }) => start),
    },
  };
}
