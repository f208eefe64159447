import { createRandom } from '../../../../services/lib/sampling/random.js';
import type { Arrival } from '../types.js';
import { gamma, type Random } from './arrivals.js';

/**
 * How a generated trace is fitted to a small machine. The shapes are of the Azure LLM inference trace 2023 (CC-BY;
 * Patel et al., "Splitwise", ISCA '24), measured over its two files of one hour each.
 */
interface TraceOptions {
  /** Mean requests a second; gaps are stretched or pressed together to reach it. */
  readonly rate: number;
  /** Seconds. */
  readonly duration: number;
  /** Lengths are divided by these. */
  readonly promptDivisor: number;
  readonly outputDivisor: number;
  readonly seed: number;
}

const CONVERSATION = {
  kind: 'conversation',
  prompt: lengthTable(
    [
      2, 181, 207, 372, 387, 396, 403, 414, 703, 984, 1020, 1045, 1071, 1097, 1130, 1189, 1315, 1876, 2734,
      4083, 14050,
    ],
    4142,
  ),
  output: lengthTable(
    [7, 41, 54, 67, 77, 85, 91, 96, 103, 113, 129, 151, 177, 217, 384, 395, 400, 411, 424, 451, 1000],
    601,
  ),
  /** Arrivals in each minute of the hour. */
  minutes: [
    191, 265, 329, 353, 307, 273, 268, 261, 322, 298, 301, 302, 345, 326, 283, 279, 280, 308, 343, 351, 351,
    343, 408, 396, 386, 398, 432, 480, 476, 453, 448, 507, 438, 413, 423, 418, 465, 311, 329, 316, 333, 355,
    319, 360, 334, 375, 330, 249, 221, 249, 265, 280, 256, 254, 242, 260, 246, 225,
  ],
  /** Of the renewal process between arrivals; 1 would be Poisson. */
  shape: 0.96,
};

/**
 * Requests like those of people who chat: a Gamma renewal process whose rate follows the hour, pressed into
 * `duration`. At the trace's own rate and length it has its burstiness (CV 1.1, index of dispersion 20 a minute).
 */
export function conversationWorkload(options: TraceOptions): Arrival[] {
  const { rate, duration, seed } = options;
  const { minutes, shape } = CONVERSATION;
  const random = createRandom(seed);
  const total = minutes.reduce((sum, count) => sum + count, 0);
  const minute = duration / minutes.length;
  const times: number[] = [];
  // In operational time the process has rate 1, and each minute lasts as long as it has arrivals.
  let at = gamma(random, shape);
  let passed = 0;
  for (const [index, count] of minutes.entries()) {
    const expected = (count / total) * rate * duration;
    for (; at < passed + expected; at += gamma(random, shape)) {
      times.push((index + (at - passed) / expected) * minute);
    }
    passed += expected;
  }
  return withLengths(times, CONVERSATION, options, random);
}

const CODE = {
  kind: 'code',
  prompt: lengthTable(
    [
      3, 75, 147, 232, 386, 578, 770, 939, 1075, 1261, 1469, 1690, 1909, 2164, 2433, 2744, 3192, 3920, 5188,
      7303, 7437,
    ],
    7436,
  ),
  output: lengthTable([6, 6, 7, 7, 8, 9, 9, 10, 11, 12, 13, 14, 16, 18, 20, 24, 29, 39, 55, 90, 1899], 251),
  burstRequests: evenTable([
    1, 2, 4, 6, 9, 12, 14, 16, 20, 22, 27, 35, 39, 49, 69, 78, 100, 129, 150, 253, 575,
  ]),
  /** Seconds between bursts. */
  silence: evenTable([
    1.0, 1.1, 1.13, 1.3, 1.57, 1.7, 1.9, 2.16, 2.4, 2.61, 3.13, 3.7, 5.55, 7.95, 10.89, 18.05, 25.73, 39.21,
    49.24, 87.62, 217.17,
  ]),
  /** Seconds between the requests of a burst. */
  gap: { mean: 0.0921, shape: 0.5 },
  /** Requests a second. */
  rate: 2.57,
};

/**
 * Requests like those of editors that complete code: bursts with silence between them (CV of the gaps about 13),
 * which no renewal process gives. A short duration may hold a few bursts only, or one.
 */
export function codeBurstsWorkload(options: TraceOptions): Arrival[] {
  const { burstRequests, silence, gap } = CODE;
  const random = createRandom(options.seed);
  const stretch = CODE.rate / options.rate;
  const end = options.duration / stretch;
  const times: number[] = [];
  for (let at = 0; at < end; at += valueAt(silence, random())) {
    const requests = Math.max(1, Math.round(valueAt(burstRequests, random())));
    for (let index = 0; index < requests && at < end; index++) {
      times.push(at * stretch);
      if (index + 1 < requests) at += gap.mean * gamma(random, gap.shape);
    }
  }
  return withLengths(times, CODE, options, random);
}

/** Prompt and output are independent: in the trace their correlation is below 0.11. */
function withLengths(
  times: readonly number[],
  { prompt, output, kind }: { prompt: QuantileTable; output: QuantileTable; kind: string },
  { promptDivisor, outputDivisor }: TraceOptions,
  random: Random,
): Arrival[] {
  const draw = (table: QuantileTable, divisor: number): number =>
    Math.max(1, Math.round(valueAt(table, random()) / divisor));
  return times.map((at) => ({
    at,
    kind,
    promptTokens: draw(prompt, promptDivisor),
    outputTokens: draw(output, outputDivisor),
  }));
}

/** A distribution as pairs of a quantile, rising from 0 to 1, and the value there. */
type QuantileTable = readonly (readonly [quantile: number, value: number])[];

/** A table of values at even quantiles, such as 21 values every 5 %. */
export function evenTable(values: readonly number[]): QuantileTable {
  return values.map((value, index) => [index / (values.length - 1), value]);
}

/** Token counts: a value every 5 %, and one at 99 % without which the longest 1 % would count for 5 %. */
function lengthTable(values: readonly number[], p99: number): QuantileTable {
  const table = evenTable(values);
  return [...table.slice(0, -1), [0.99, p99], table.at(-1)!];
}

/** The value at a quantile in `[0, 1]`, linear between the table's. */
export function valueAt(table: QuantileTable, quantile: number): number {
  const above = Math.max(
    1,
    table.findIndex(([at]) => at >= quantile),
  );
  const [[lowAt, low], [highAt, high]] = [table[above - 1]!, table[above]!];
  return low + ((quantile - lowAt) / (highAt - lowAt)) * (high - low);
}
