import { figure } from '../../../cli/tables.js';
import { violationSeconds } from '../../figures/device-costs.js';
import { reactionsOf } from '../../figures/reaction.js';
import { percentile, sum } from '../../figures/statistics.js';
import type { Lengths } from '../../loads/share-gpt.js';
import type { Arm } from '../arm.js';
import { type Scenario, type ScenarioLoad, type ScenarioResults, type ScenarioRun } from '../scenario.js';
import { expectedKnee } from './expected-knee.js';
import { split, whole, type FleetOptions } from '../fleets.js';
import { by, outcomesOf, type Cell } from './judge.js';
import { squares, steps } from './loads.js';

const DEVICE = 'a40';
const LENGTHS: Lengths = { prompt: 384, output: 128 };
/** Of the devices that an arm may have at most. */
const DEVICES = 4;
/** Of what one whole replica carries, what is asked for before the step. */
const CALM = 0.5;
/** Seconds before, during and after the step; during it new replicas must have time to start and to be of use. */
const STEP = { stock: [15, 130, 10], fast: [15, 60, 10] } as const;

/** Load that rises fourfold at once, and autoscalers that follow: how long until it is served again, and at what price? */
export function reaction(options: FleetOptions): Scenario {
  const [stock, fast] = (['stock', 'fast-loader'] as const).map((start) => {
    const with_ = { ...options, start };
    return {
      whole: whole(DEVICE, [1, DEVICES], with_),
      split: split(2, DEVICE, [1, DEVICES / 2], with_),
      fixed: split(2, DEVICE, DEVICES / 2, with_),
    };
  }) as [Arms, Arms];
  const rate = CALM * expectedKnee(whole(DEVICE, 1, options), LENGTHS);
  const [slowSteps, fastSteps] = [steps(LENGTHS, rate, STEP.stock, [1]), steps(LENGTHS, rate, STEP.fast)];
  const square = squares(LENGTHS, rate, STEP.fast[1] / 2, 2);
  const run = (arm: Arm, ...loads: readonly (readonly ScenarioLoad[])[]): ScenarioRun => ({
    arm,
    loads: loads.flat(),
  });
  const step = (arm: Arm): Cell => ({ arm, group: 'step' });
  const compared =
    (of: (results: ScenarioResults, cell: Cell) => number | null, { whole, split }: Arms) =>
    (results: ScenarioResults): [number, number] | null => {
      const [one, other] = [of(results, step(split)), of(results, step(whole))];
      return one === null || other === null ? null : [one, other];
    };
  return {
    name: 's3',
    title: 'Load that rises at once',
    question: 'At most four A40: whole replicas under an autoscaler, or two stages under one each?',
    runs: [
      run(fast.whole, fastSteps, square),
      run(fast.split, fastSteps, square),
      run(fast.fixed, fastSteps.slice(0, 1)),
      run(stock.whole, slowSteps),
      run(stock.split, slowSteps),
    ],
    expectations: [
      by(
        {
          id: 's3-a',
          text: 'With the stock loader a stage of half of the layers computes its first token 15 to 20 s sooner than a whole replica.',
        },
        (results) => {
          const pair = compared(firstTokenSeconds, stock)(results);
          if (pair === null) return null;
          const [one, other] = pair;
          const seen = `${figure(one)} against ${figure(other)} s after the step`;
          return { right: 15 <= other - one && other - one <= 20, seen };
        },
      ),
      by(
        {
          id: 's3-b',
          text: 'With it the split misses the limits for less time than whole replicas do, but for no less than 0.7 of it.',
        },
        (results) => {
          const pair = compared(missedSeconds, stock)(results);
          if (pair === null) return null;
          const [one, other] = pair;
          const seen = `${figure(one)} against ${figure(other)} s`;
          return { right: 0.7 * other <= one && one < other, seen };
        },
      ),
      by({ id: 's3-c', text: 'With the fast loader both miss them for as long, within 15 %.' }, (results) => {
        const pair = compared(missedSeconds, fast)(results);
        if (pair === null) return null;
        const [one, other] = pair;
        const seen = `${figure(one)} against ${figure(other)} s of a step, at the mean`;
        return { right: Math.abs(one / other - 1) <= 0.15, seen };
      }),
      by(
        { id: 's3-d', text: 'Two fixed replicas of each stage miss them for less than 10 s of the step.' },
        (results) => {
          const missed = missedSeconds(results, step(fast.fixed));
          return missed === null ? null : { right: missed < 10, seen: `${figure(missed)} s` };
        },
      ),
    ],
  };
}

interface Arms {
  readonly whole: Arm;
  readonly split: Arm;
  readonly fixed: Arm;
}

/** Median over the seeds, from the step until the first further replica of any stage has computed a token. */
function firstTokenSeconds(results: ScenarioResults, cell: Cell): number | null {
  const seconds = outcomesOf(results, cell).flatMap(({ load, measured }) => {
    const roseAt = measured.startedAt + load.levels[0]!.duration * 1000;
    const served = reactionsOf(measured, roseAt).flatMap(({ serving }) => serving ?? []);
    return served.length === 0 ? [] : [Math.min(...served) / 1000];
  });
  return percentile(seconds, 50);
}

/** Mean over the seeds. */
function missedSeconds(results: ScenarioResults, cell: Cell): number | null {
  const missed = outcomesOf(results, cell).map(({ load, measured }) =>
    violationSeconds(measured.records, load.limits),
  );
  return missed.length === 0 ? null : sum(missed) / missed.length;
}
