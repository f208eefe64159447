import {
  CostModel,
  type StartPreset,
  type StepWork,
} from '../../../../../services/lib/engine/timed/cost-model.js';
import {
  deviceProfile,
  type DeviceProfile,
} from '../../../../../services/lib/engine/timed/device-profile.js';
import { layerWeights, type LayerRange } from '../../../../../services/lib/model/split.js';
import type { ModelConfig } from '../../../../../services/lib/model/types.js';

/** What simulations ask of a stage's device: `CostModel`, or one that was scaled. */
export interface StageModel {
  /** Tokens whose keys and values fit. */
  readonly kvTokens: number;
  stepSeconds(work: StepWork): number;
  startSeconds(preset: StartPreset, sharers: number, storageGBps: number | null): number;
}

/** After a device's name: its weights are of 8 bits. */
const INT8 = ' int8';

/** A device by its name, which may end with ` int8`: then the weights of the layers are of 8 bits. */
export const int8On = (device: string): string => device + INT8;

/**
 * The cost model of a stage on a device, its times `scale` times as long. Throws `invalid_config` where the weights
 * do not fit.
 */
export function stageModel(shape: ModelConfig, device: string, range: LayerRange, scale: number): StageModel {
  const isInt8 = device.endsWith(INT8);
  const profile = deviceProfile(isInt8 ? device.slice(0, -INT8.length) : device);
  const model = new CostModel(shape, isInt8 ? withInt8(profile, shape, range) : profile, range);
  if (scale === 1) return model;
  return {
    kvTokens: model.kvTokens,
    stepSeconds: (work) => scale * model.stepSeconds(work),
    startSeconds: (...how) => scale * model.startSeconds(...how),
  };
}

/** Of a device's memory, what an engine uses (`CostModel`). */
const MEMORY_SHARE = 0.9;
/** That a weight of 8 bits takes less. */
const SAVED_BYTES = 1;

/**
 * A reference, nothing that we have: weights of 8 bits, computed in f16 (as W8A16 kernels do). What of memory the layers' weights
 * no longer take is room for keys and values, and each step reads half as much of them, so that it is shorter by half
 * of a step of one row; what it computes stays. Tables of embeddings and head stay f16, and a start loads as much as in f16.
 */
function withInt8(device: DeviceProfile, shape: ModelConfig, { start, end }: LayerRange): DeviceProfile {
  const saved = (end - start) * layerWeights(shape) * SAVED_BYTES;
  const { rows, seconds, derivedFrom } = device.linear;
  const reading = seconds[0]! / 2;
  return {
    ...device,
    name: device.name + INT8,
    memoryBytes: device.memoryBytes + saved / MEMORY_SHARE,
    linear: { rows, seconds: seconds.map((each) => each - reading), derivedFrom },
  };
}
