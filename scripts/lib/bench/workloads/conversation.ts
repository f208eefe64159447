import { createRandom } from '../../../../services/lib/sampling/random.js';
import type { Arrival } from '../types.js';
import { lengthTable, withLengths, type TraceOptions } from './trace.js';
import { gamma } from './variates.js';

const PROMPT = lengthTable(
  [
    2, 181, 207, 372, 387, 396, 403, 414, 703, 984, 1020, 1045, 1071, 1097, 1130, 1189, 1315, 1876, 2734,
    4083, 14050,
  ],
  4142,
);
const OUTPUT = lengthTable(
  [7, 41, 54, 67, 77, 85, 91, 96, 103, 113, 129, 151, 177, 217, 384, 395, 400, 411, 424, 451, 1000],
  601,
);

/** Arrivals in each minute of the hour. */
const MINUTES = [
  191, 265, 329, 353, 307, 273, 268, 261, 322, 298, 301, 302, 345, 326, 283, 279, 280, 308, 343, 351, 351,
  343, 408, 396, 386, 398, 432, 480, 476, 453, 448, 507, 438, 413, 423, 418, 465, 311, 329, 316, 333, 355,
  319, 360, 334, 375, 330, 249, 221, 249, 265, 280, 256, 254, 242, 260, 246, 225,
];

/** Of the renewal process between arrivals; 1 would be Poisson. */
const SHAPE = 0.96;

/**
 * Requests like those of people who chat: a Gamma renewal process whose rate follows the hour, pressed into
 * `duration`. At the trace's own rate and length it has its burstiness (CV 1.1, index of dispersion 20 a minute).
 */
export function conversationWorkload(options: TraceOptions): Arrival[] {
  const { rate, duration, seed } = options;
  const random = createRandom(seed);
  const total = MINUTES.reduce((sum, count) => sum + count, 0);
  const minute = duration / MINUTES.length;
  const times: number[] = [];
  // In operational time the process has rate 1, and each minute lasts as long as it has arrivals.
  let at = gamma(random, SHAPE);
  let passed = 0;
  for (const [index, count] of MINUTES.entries()) {
    const expected = (count / total) * rate * duration;
    for (; at < passed + expected; at += gamma(random, SHAPE)) {
      times.push((index + (at - passed) / expected) * minute);
    }
    passed += expected;
  }
  return withLengths(times, { prompt: PROMPT, output: OUTPUT, kind: 'conversation' }, options, random);
}
