import { figure } from '../../../cli/tables.js';
import type { Lengths } from '../../loads/share-gpt.js';
import type { Arm } from '../arm.js';
import type { Scenario, ScenarioRun } from '../scenario.js';
import { slowed, split, whole, type FleetOptions } from '../fleets.js';
import { CONTEXTS } from '../settings.js';
import { expectedKnee } from './expected-knee.js';
import { by, byKnees, kneeOfCell, tpotOf, type Cell } from './judge.js';
import { groupOf, LOWEST, sweeps } from './loads.js';

const LENGTHS = Object.values(CONTEXTS);
const MIDDLE = CONTEXTS.middle;

/** How much of a device's memory the keys and values get decides, where they are large: a split keeps the weights once. */
export function memory(options: FleetOptions): Scenario {
  const pair = (device: string, times: number): { whole: Arm; split: Arm } => ({
    whole: whole(device, 2, options),
    split: split(2, device, 1, slowed(options, times)),
  });
  const [small, middle, large] = [pair('a100-40g', 2), pair('a40', 1), pair('a100-80g', 2)];
  const direct = split(2, 'a100-40g', 1, { ...slowed(options, 2), mesh: 'direct' });
  const runs: ScenarioRun[] = [
    ...[small.whole, small.split].map((arm) => run(arm, LENGTHS)),
    ...[direct, middle.whole, middle.split, large.whole, large.split].map((arm) => run(arm, [MIDDLE])),
  ];
  const cells = runs.flatMap(({ arm, loads }): Cell[] =>
    [...new Set(loads.map(({ group }) => group))].map((group) => ({ arm, group })),
  );
  const at = (arm: Arm, lengths: Lengths): Cell => ({ arm, group: groupOf(lengths) });
  const gain = (device: { whole: Arm; split: Arm }, lengths: Lengths): [Cell, Cell] => [
    at(device.split, lengths),
    at(device.whole, lengths),
  ];
  return {
    name: 's1',
    title: 'Memory and context',
    question: 'Two devices of 40, 48 or 80 GB: the whole model on each, or half of the layers on each?',
    runs,
    expectations: [
      byKnees(
        {
          id: 's1-a',
          text: 'With 40 GB a device and 1,200 tokens a request, the split carries at least 1.3 times as much.',
        },
        ...gain(small, MIDDLE),
        (ratio) => ratio >= 1.3,
      ),
      by({ id: 's1-b', text: 'The longer the requests, the larger that gain.' }, (results) => {
        const gains = LENGTHS.map((lengths) => {
          const [one, other] = gain(small, lengths).map((cell) => kneeOfCell(results, cell, 'measured'));
          return one && other ? one.rate / other.rate : null;
        });
        if (gains.some((each) => each === null)) return null;
        const [short, middling, long] = gains as [number, number, number];
        const seen = `${[short, middling, long].map(figure).join(', ')} times at 512, 1,200 and 2,400 tokens`;
        return { right: short < middling && middling < long, seen };
      }),
      byKnees(
        { id: 's1-c', text: 'With 48 GB (A40) and 1,200 tokens it is still 1.2 times.' },
        ...gain(middle, MIDDLE),
        (ratio) => ratio >= 1.2,
      ),
      byKnees(
        { id: 's1-d', text: 'With 80 GB it is a tie: within a tenth.' },
        ...gain(large, MIDDLE),
        (ratio) => Math.abs(ratio - 1) <= 0.1,
      ),
      by(
        {
          id: 's1-e',
          text: 'At the lowest rate that was tried each output token takes longer in the split, everywhere.',
        },
        (results) => {
          const pairs = [
            ...LENGTHS.map((lengths) => gain(small, lengths)),
            gain(middle, MIDDLE),
            gain(large, MIDDLE),
          ].map((cells) => cells.map((cell) => tpotOf(results, cell, LOWEST)));
          if (pairs.flat().some((each) => each === null)) return null;
          const seen = pairs.map(([one, other]) => `${figure(one!)} against ${figure(other!)} ms`).join(', ');
          return { right: pairs.every(([one, other]) => one! > other!), seen };
        },
      ),
      byKnees(
        {
          id: 's1-f',
          text: 'Without sidecars (direct) the split carries at most a tenth more than over Dapr.',
        },
        at(direct, MIDDLE),
        at(small.split, MIDDLE),
        (ratio) => ratio <= 1.1,
      ),
      by(
        { id: 's1-g', text: 'The simulation is within 15 % of every knee that was measured.' },
        (results) => {
          const ratios = cells.map((cell) => {
            const [real, made] = (['measured', 'simulated'] as const).map((side) =>
              kneeOfCell(results, cell, side),
            );
            return real && made ? made.rate / real.rate : null;
          });
          if (ratios.some((each) => each === null)) return null;
          const seen = `simulated over measured: ${ratios.map(figure).join(', ')}`;
          return { right: ratios.every((ratio) => Math.abs(ratio! - 1) <= 0.15), seen };
        },
      ),
    ],
  };
}

const run = (arm: Arm, lengths: readonly Lengths[]): ScenarioRun => ({
  arm,
  loads: lengths.flatMap((each) => sweeps(each, expectedKnee(arm, each))),
});
