import { createRandom } from '../../../../../services/lib/sampling/random.js';
import { poisson, STEP_FACTOR } from '../../loads/arrivals.js';
import type { Lengths } from '../../loads/share-gpt.js';
import { conversationWorkload } from '../../loads/traces.js';
import type { Arrival } from '../../types.js';
import { SERVER_LIMITS, type Level, type ScenarioLoad } from '../scenario.js';
import type { ServiceLevel } from '../../figures/requests.js';

/** Three: what one of them shows may be chance. */
export const SEEDS = [1, 2, 3] as const;

/** Requests that a level should have, and the seconds that it may take for that. */
const LEVEL_REQUESTS = 20;
const LEVEL_SECONDS = { least: 8, most: 24 };

/**
 * Of the knee that is expected, which is that of a load that goes on: a level lasts some seconds, in which a little more is served. The last is
 * served by nobody.
 */
const SHARES = [0.8, 1.1, 1.4];

const nameOf = (share: number): string => share.toFixed(2);
/** Name of a sweep's lowest level. */
export const LOWEST = nameOf(SHARES[0]!);

interface SweepOptions {
  /** Of the knee that is expected, the rates that are tried. */
  readonly shares?: readonly number[];
  readonly limits?: ServiceLevel;
}

/** Requests of one length at rates around the knee that the simulation expects, one after the other, for each seed. */
export function sweeps(lengths: Lengths, knee: number, options: SweepOptions = {}): ScenarioLoad[] {
  const { shares = SHARES, limits = SERVER_LIMITS } = options;
  return SEEDS.map((seed) => {
    const levels = shares.map((share): Level => {
      const rate = share * knee;
      const duration = Math.min(LEVEL_SECONDS.most, Math.max(LEVEL_SECONDS.least, LEVEL_REQUESTS / rate));
      return { name: nameOf(share), rate, duration: Math.round(duration) };
    });
    return { ...levelled(groupOf(lengths, limits), seed, levels, lengths), limits };
  });
}

/** Of the loads of a sweep, whatever their seed. */
export const groupOf = ({ prompt, output }: Lengths, limits = SERVER_LIMITS): string =>
  `${prompt}+${output}${limits === SERVER_LIMITS ? '' : `-tpot-${limits.tpot}`}`;

/** Calm, then four times as many requests at once, then calm: seconds of each. */
export const steps = (
  lengths: Lengths,
  rate: number,
  seconds: readonly [before: number, during: number, after: number],
  seeds: readonly number[] = SEEDS,
): ScenarioLoad[] =>
  seeds.map((seed) => {
    const names = ['before', 'during', 'after'];
    const levels = seconds.map((duration, index): Level => {
      return { name: names[index]!, rate: index === 1 ? STEP_FACTOR * rate : rate, duration };
    });
    return levelled('step', seed, levels, lengths);
  });

/** Calm and four times as many requests in turn. */
export const squares = (lengths: Lengths, rate: number, seconds: number, waves: number): ScenarioLoad[] =>
  SEEDS.slice(0, 1).map((seed) => {
    const levels = Array.from({ length: waves }, (): Level[] => [
      { name: 'low', rate, duration: seconds },
      { name: 'high', rate: STEP_FACTOR * rate, duration: seconds },
    ]).flat();
    return levelled('square', seed, levels, lengths);
  });

/** Prompts alone, of each length in turn, so far apart that no two meet. */
export const alone = (prompts: readonly number[], output: number, apart: number): ScenarioLoad[] =>
  SEEDS.map((seed) => {
    const random = createRandom(seed);
    const arrivals = prompts.map((promptTokens, index): Arrival => {
      // Not all at the same phase of whatever the machine does in between.
      const at = (index + 0.5 * random()) * apart;
      return { at, kind: String(promptTokens), promptTokens, outputTokens: output };
    });
    const level = { name: 'alone', rate: 1 / apart, duration: prompts.length * apart };
    return {
      name: `alone-seed-${seed}`,
      group: 'alone',
      seed,
      limits: SERVER_LIMITS,
      arrivals,
      levels: [level],
    };
  });

/** Arrivals and lengths like the conversations of Azure's trace, lengths divided by so much. */
export const conversations = (rate: number, duration: number, divisor: number): ScenarioLoad[] =>
  SEEDS.map((seed) => {
    const lengths = { promptDivisor: divisor, outputDivisor: divisor };
    const arrivals = conversationWorkload({ rate, duration, seed, ...lengths });
    const levels = [{ name: 'conversation', rate, duration }];
    return {
      name: `conversation-seed-${seed}`,
      group: 'conversation',
      seed,
      limits: SERVER_LIMITS,
      arrivals,
      levels,
    };
  });

/** Poisson arrivals at each level's rate, one level after the other. */
function levelled(
  group: string,
  seed: number,
  levels: readonly Level[],
  { prompt, output }: Lengths,
): ScenarioLoad {
  const random = createRandom(seed);
  let from = 0;
  const arrivals = levels.flatMap(({ name, rate, duration }) => {
    const times = poisson(random, rate, from, (from += duration));
    return times.map((at): Arrival => {
      return { at, kind: name, promptTokens: prompt, outputTokens: output };
    });
  });
  return { name: `${group}-seed-${seed}`, group, seed, limits: SERVER_LIMITS, arrivals, levels };
}
