import { figure } from '../../../cli/tables.js';
import { kneeText } from '../../figures/goodput.js';
import { priceRatios } from '../prices.js';
import type { Arm } from '../arm.js';
import type { Scenario, ScenarioRun } from '../scenario.js';
import { CONTEXTS } from '../settings.js';
import { expectedKnee } from './expected-knee.js';
import { slowed, split, whole, type FleetOptions } from '../fleets.js';
import { all, by, byKnees, carried, decided, NOT_FOUND, ratioOf, ttftOf, type Cell } from './judge.js';
import { groupOf, LOWEST, sweeps } from './loads.js';

const LENGTHS = CONTEXTS.middle;

/** Cards on which the whole model has no place, against one on which it has. */
export function smallCards(options: FleetOptions): Scenario {
  const arms = {
    two: split(2, 'l4', 1, options),
    // What is slowed must come to the same.
    twoSlowed: split(2, 'l4', 1, slowed(options, 2)),
    four: split(4, 'l4', 1, slowed(options, 2)),
    large: whole('a100-80g', 1, options),
  };
  const runs = Object.values(arms).map((arm): ScenarioRun => {
    return { arm, loads: sweeps(LENGTHS, expectedKnee(arm, LENGTHS)) };
  });
  const at = (arm: Arm): Cell => ({ arm, group: groupOf(LENGTHS) });
  return {
    name: 's2',
    title: 'Cards that are too small',
    question: 'Two or four L4 of 24 GB, which hold the model only together, or one A100 of 80 GB?',
    runs,
    expectations: [
      by(
        {
          id: 's2-a',
          text: 'An A100-80G carries what 13 to 24 L4 carry that are split in two or in four: so many times their price it may cost.',
        },
        (results) => {
          const [two, four, large] = [arms.two, arms.four, arms.large].map((arm) =>
            carried(results, at(arm)),
          );
          if (!two || !four || !large) return null;
          const ratios = [ratioOf(large, two), ratioOf(large, four)].filter((ratio) => ratio !== null);
          if (ratios.length < 2) return NOT_FOUND;
          const seen = ratios.map((ratio, index) => `${kneeText(ratio)} in ${['two', 'four'][index]!}`);
          const right = all(ratios.map((ratio) => decided(ratio, (times) => 13 <= times && times <= 24)));
          return { right, seen: seen.join(', ') };
        },
      ),
      by({ id: 's2-b', text: 'By every price list a request costs more on the split L4.' }, (results) => {
        const [four, large] = [carried(results, at(arms.four)), carried(results, at(arms.large))];
        if (!four || !large) return null;
        const ratio = ratioOf(large, four);
        if (ratio === null) return NOT_FOUND;
        const dearer = priceRatios('l4', 'a100-80g').map((price) => ({ ...ratio, rate: price * ratio.rate }));
        const seen = `${dearer.map(kneeText).join(' and ')} times`;
        return { right: all(dearer.map((each) => decided(each, (times) => times > 1))), seen };
      }),
      by(
        {
          id: 's2-c',
          text: 'At the lowest rate tried the first token takes at least three times as long on four L4.',
        },
        (results) => {
          const [four, large] = [
            ttftOf(results, at(arms.four), LOWEST),
            ttftOf(results, at(arms.large), LOWEST),
          ];
          if (!four || !large) return null;
          return { right: four >= 3 * large, seen: `${figure(four)} against ${figure(large)} ms` };
        },
      ),
      byKnees(
        { id: 's2-d', text: 'Two L4 that are slowed twice carry the same, within 10 %.' },
        at(arms.twoSlowed),
        at(arms.two),
        (ratio) => 0.9 <= ratio && ratio <= 1.1,
      ),
    ],
  };
}
