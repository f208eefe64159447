import { modelShape } from '../../../../../services/lib/model/shapes/model-shape.js';
import { stageRanges } from '../../../../../services/lib/model/split.js';
import { latencyAt, meets, timePerOutputToken, timeToFirstToken } from '../../figures/requests.js';
import type { ServiceLevel } from '../../figures/requests.js';
import { poissonWorkload } from '../../loads/arrivals.js';
import type { RequestRecord } from '../../types.js';
import type { Arm } from '../arm.js';
import { mostDevices } from '../fleets.js';
import { EXPERIMENT_SETTINGS } from '../settings.js';
import type { Hop } from './hop.js';
import { simulate } from './simulate.js';
import { stageModel } from './stage-model.js';

/** Tokens of equal requests. */
export interface Lengths {
  readonly promptTokens: number;
  readonly outputTokens: number;
}

interface KneeOptions {
  readonly hop: Hop;
  /** All that the cost model says takes so many times as long. */
  readonly scale?: number;
  readonly level: ServiceLevel;
  /** Of the requests that must keep the level; 0.9 where it does not say. */
  readonly share?: number;
  readonly seeds?: readonly number[];
}

export interface Knee {
  /** The highest rate at which so many requests keep the level, a second; 0 where none does. */
  readonly rate: number;
  /** Output tokens a second of one device, at that rate. */
  readonly tokensPerDevice: number;
  /** Medians at a twentieth of that rate, milliseconds; null where there is none. */
  readonly ttft: number | null;
  readonly tpot: number | null;
}

const SHARE = 0.9;
const SEEDS = [1, 2] as const;
/** A load has so many seconds, and so many requests; its first part, in which the arm fills, does not count. */
const LEAST_SECONDS = 60;
const LEAST_REQUESTS = 120;
const FILLING = 1 / 4;
/** A rate is known to so large a part of it. */
const PRECISION = 0.03;
/** Between two rates that are tried before the knee lies between two. */
const STRIDE = 1.3;
/** Of what an arm can carry, where no rate is looked for any more. */
const LEAST = 0.02;
const LOW_LOAD = 0.05;
const LOW_REQUESTS = 30;

/** Poisson loads of equal requests, by bisection over simulations. Throws `invalid_config` where a stage does not fit. */
export function kneeOf(arm: Arm, lengths: Lengths, options: KneeOptions): Knee {
  const { share = SHARE, scale = 1 } = options;
  const isServed = (rate: number): boolean => attainmentOf(arm, lengths, rate, options) >= share;
  const rate = highest(isServed, capacityOf(arm, lengths, scale));
  const devices = mostDevices(arm);
  if (rate === 0) return { rate, tokensPerDevice: 0, ttft: null, tpot: null };
  const low = rate * LOW_LOAD;
  const records = recordsOf(arm, lengths, { rate: low, duration: LOW_REQUESTS / low, seed: 1 }, options);
  return {
    rate,
    tokensPerDevice: (rate * lengths.outputTokens) / devices,
    ttft: latencyAt({ records }, timeToFirstToken, 50),
    tpot: latencyAt({ records }, timePerOutputToken, 50),
  };
}

/** Which share of the requests of a Poisson load keeps the level, once the arm has filled. */
export function attainmentOf(arm: Arm, lengths: Lengths, rate: number, options: KneeOptions): number {
  const { level, seeds = SEEDS } = options;
  const duration = Math.max(LEAST_SECONDS, LEAST_REQUESTS / rate);
  const counted = seeds
    .flatMap((seed) => recordsOf(arm, lengths, { rate, duration, seed }, options))
    .filter(({ sent }) => sent >= FILLING * duration * 1e3);
  return counted.filter((record) => meets(level, record)).length / Math.max(1, counted.length);
}

function recordsOf(
  arm: Arm,
  lengths: Lengths,
  load: { readonly rate: number; readonly duration: number; readonly seed: number },
  { hop, scale = 1 }: KneeOptions,
): readonly RequestRecord[] {
  return simulate(arm, poissonWorkload({ ...load, ...lengths }), { hop, scale }).records;
}

/** The highest rate that is served, from a guess at it; 0 where there is none worth the name. */
function highest(isServed: (rate: number) => boolean, guess: number): number {
  let served = 0;
  let refused = Infinity;
  for (let rate = guess; served === 0 || refused === Infinity; rate *= served > 0 ? STRIDE : 1 / STRIDE) {
    if (rate < LEAST * guess) return 0;
    if (isServed(rate)) served = rate;
    else refused = rate;
  }
  while (refused / served > 1 + PRECISION) {
    const middle = Math.sqrt(refused * served);
    if (isServed(middle)) served = middle;
    else refused = middle;
  }
  return served;
}

/**
 * About how many requests a second an arm carries whose steps are as full as KV room lets them be: what the busiest stage can do
 * (the utilisation law), with a group of sequences in each stage, and without hops. No bound: a prompt that shares a step with
 * running sequences costs less than in one of its own. A guess to begin a search with.
 */
export function capacityOf({ split, stages, emulated }: Arm, lengths: Lengths, scale = 1): number {
  const { promptTokens, outputTokens } = lengths;
  const { prefillChunk, maxBatchSequences } = EXPERIMENT_SETTINGS;
  const shape = modelShape(emulated!.shape);
  const ranges = stageRanges(split, shape.layers);
  const rates = stages.map(({ device, min, more = [] }, index) => {
    const devices = [...Array<string>(min).fill(device!), ...more];
    return devices.reduce((sum, each) => {
      const model = stageModel(shape, each, ranges[index]!, scale);
      const fitting = model.kvTokens / (promptTokens + outputTokens) / stages.length;
      const batch = Math.max(1, Math.min(maxBatchSequences, Math.floor(fitting)));
      const row = { rows: 1, cached: promptTokens + outputTokens / 2 };
      const decode = Array.from({ length: batch }, () => row);
      const chunks = Math.ceil(promptTokens / prefillChunk);
      const chunk = { rows: promptTokens / chunks, cached: (promptTokens * (chunks - 1)) / chunks / 2 };
      const seconds =
        (outputTokens * model.stepSeconds({ items: decode, logits: batch })) / batch +
        chunks * model.stepSeconds({ items: [chunk], logits: 0 });
      return sum + 1 / seconds;
    }, 0);
  });
  return Math.min(...rates);
}
