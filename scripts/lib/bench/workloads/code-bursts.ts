import { createRandom } from '../../../../services/lib/sampling/random.js';
import type { Arrival } from '../types.js';
import { evenTable, valueAt } from './quantile-table.js';
import { lengthTable, withLengths, type TraceOptions } from './trace.js';
import { gamma } from './variates.js';

const PROMPT = lengthTable(
  [
    3, 75, 147, 232, 386, 578, 770, 939, 1075, 1261, 1469, 1690, 1909, 2164, 2433, 2744, 3192, 3920, 5188,
    7303, 7437,
  ],
  7436,
);
const OUTPUT = lengthTable(
  [6, 6, 7, 7, 8, 9, 9, 10, 11, 12, 13, 14, 16, 18, 20, 24, 29, 39, 55, 90, 1899],
  251,
);
const BURST_REQUESTS = evenTable([
  1, 2, 4, 6, 9, 12, 14, 16, 20, 22, 27, 35, 39, 49, 69, 78, 100, 129, 150, 253, 575,
]);
/** Seconds between bursts. */
const SILENCE = evenTable([
  1.0, 1.1, 1.13, 1.3, 1.57, 1.7, 1.9, 2.16, 2.4, 2.61, 3.13, 3.7, 5.55, 7.95, 10.89, 18.05, 25.73, 39.21,
  49.24, 87.62, 217.17,
]);
/** Seconds between the requests of a burst. */
const GAP = { mean: 0.0921, shape: 0.5 };

/** Requests a second in the trace. */
const TRACE_RATE = 2.57;

/**
 * Requests like those of editors that complete code: bursts with silence between them (CV of the gaps about 13),
 * which no renewal process gives. A short duration may hold a few bursts only, or one.
 */
export function codeBurstsWorkload(options: TraceOptions): Arrival[] {
  const random = createRandom(options.seed);
  const stretch = TRACE_RATE / options.rate;
  const end = options.duration / stretch;
  const times: number[] = [];
  for (let at = 0; at < end; at += valueAt(SILENCE, random())) {
    const requests = Math.max(1, Math.round(valueAt(BURST_REQUESTS, random())));
    for (let index = 0; index < requests && at < end; index++) {
      times.push(at * stretch);
      if (index + 1 < requests) at += GAP.mean * gamma(random, GAP.shape);
    }
  }
  return withLengths(times, { prompt: PROMPT, output: OUTPUT, kind: 'code' }, options, random);
}
