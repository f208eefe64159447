import { CostModel } from '../../../../services/lib/engine/timed/cost-model.js';
import { deviceProfile } from '../../../../services/lib/engine/timed/device-profile.js';
import { ServingError } from '../../../../services/lib/errors/serving-error.js';
import { modelShape } from '../../../../services/lib/model/shapes/model-shape.js';
import { stageRanges } from '../../../../services/lib/model/split.js';
import { dilationOf, type Arm, type Emulated, type StageBounds } from '../experiment/arm.js';
import { EXPERIMENT_SETTINGS } from '../experiment/settings.js';

/** What a step may take undilated, seconds: the gateway's default. */
const STEP_TIMEOUT = 120;

/** More than any load brings, for a request that is refused would be no measurement. */
const MOST_WAITING = 8_192;
/** Connections besides requests: probes and scrapes. */
const SPARE_CONNECTIONS = 128;

/** No replica takes longer to start than so many seconds, undilated: all of an arm load a 13B model at 1 GB/s. */
const LONGEST_START = 150;

/**
 * The variables of every service of an emulated arm. Random prompts have nothing in common and nothing to guess, so there
 * is neither prefix cache nor speculation; the room for keys and values is the device's.
 */
export function emulatedEnvironment(emulated: Emulated): Record<string, string> {
  const { shape, start, storageGBps, dilation, hopMs } = emulated;
  const settings = EXPERIMENT_SETTINGS;
  return {
    LAYERMESH_ENGINE: 'timed',
    LAYERMESH_SHAPE: shape,
    LAYERMESH_START: start ?? 'none',
    ...(storageGBps !== null && { LAYERMESH_STORAGE_GBPS: String(storageGBps) }),
    LAYERMESH_DILATE: String(dilation),
    LAYERMESH_HOP_MS: String(hopMs),
    LAYERMESH_SPECULATION: 'off',
    LAYERMESH_PREFIX_CACHE_MB: '0',
    LAYERMESH_PREFILL_CHUNK: String(settings.prefillChunk),
    LAYERMESH_PREFILL_CHUNK_ALONE: String(settings.prefillChunkAlone),
    LAYERMESH_PREFILL_SHARE: String(settings.prefillShare),
    LAYERMESH_MAX_BATCH_ROWS: String(settings.maxBatchRows),
    LAYERMESH_MAX_BATCH_SEQUENCES: String(settings.maxBatchSequences),
    LAYERMESH_MAX_RUNNING: String(settings.maxRunning),
    LAYERMESH_MAX_WAITING: String(MOST_WAITING),
    LAYERMESH_MAX_CONNECTIONS: String(settings.maxRunning + MOST_WAITING + SPARE_CONNECTIONS),
    LAYERMESH_STEP_TIMEOUT: String(STEP_TIMEOUT * dilation),
    LAYERMESH_REROUTE_PATIENCE: String(settings.reroutePatience * dilation),
  };
}

/** The device of a stage's replica, which count from 0: first those that are scaled, then one on each of the others. */
export const deviceOf = ({ min, device, more = [] }: StageBounds, replica: number): string =>
  more[replica - min] ?? device!;

/** At most so long until every replica of an arm has started, besides what processes really take; milliseconds. */
export const startLimitMs = (arm: Arm): number =>
  arm.emulated?.start ? LONGEST_START * 1000 * dilationOf(arm) : 0;

/** Throws `invalid_config` for a stage of an emulated arm that names no device, or whose weights do not fit one that it names. */
export function requireDevices({ name: arm, stages, split, emulated }: Arm): void {
  if (!emulated) return;
  const shape = modelShape(emulated.shape);
  const ranges = stageRanges(split, shape.layers);
  for (const [index, { name, device, more = [] }] of stages.entries()) {
    if (device === undefined)
      throw new ServingError('invalid_config', `${name} of the arm ${arm} names no device`);
    for (const each of [device, ...more]) new CostModel(shape, deviceProfile(each), ranges[index]!);
  }
}
