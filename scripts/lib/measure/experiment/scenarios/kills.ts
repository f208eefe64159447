import { figure } from '../../../cli/tables.js';
import { sharesOf } from '../../figures/goodput.js';
import { failedOf } from '../../figures/requests.js';
import { sum } from '../../figures/statistics.js';
import type { Lengths } from '../../loads/share-gpt.js';
import type { Arm } from '../arm.js';
import { type Scenario, type ScenarioRun } from '../scenario.js';
import { expectedKnee } from './expected-knee.js';
import { slowed, split, whole, type FleetOptions } from '../fleets.js';
import { by, outcomesOf } from './judge.js';
import { conversations } from './loads.js';

const DEVICE = 'a40';
/** By which the lengths of Azure's conversations are divided. */
const DIVISOR = 4;
/** Near the means of such conversations. */
const MEAN: Lengths = { prompt: 289, output: 53 };
/** Of what the arm with the lower knee carries. */
const LOAD = 0.6;
const SECONDS = 50;
const KILLS = [15, 32];

/** Spot devices that are taken away: what a pod's death costs who is served. */
export function kills(options: FleetOptions): Scenario {
  const quick = { ...options, start: 'fast-loader' } as const;
  const arms = { whole: whole(DEVICE, 4, quick), split: split(2, DEVICE, 2, slowed(quick, 2)) };
  const rate = LOAD * Math.min(...Object.values(arms).map((arm) => expectedKnee(arm, MEAN)));
  const loads = conversations(rate, SECONDS, DIVISOR);
  const run = (arm: Arm): ScenarioRun => ({
    arm,
    loads,
    kills: KILLS.map((at, index) => ({ stage: `stage-${index % arm.stages.length}`, at })),
  });
  return {
    name: 'kills',
    title: 'Killed pods',
    question:
      'Four A40 under conversations like those of Azure’s trace, a pod killed now and then: which arm loses more?',
    runs: Object.values(arms).map(run),
    expectations: [
      by({ id: 'kills-a', text: 'No request fails in either arm.' }, (results) => {
        const all = Object.values(arms).flatMap((arm) => outcomesOf(results, { arm, group: 'conversation' }));
        if (all.length === 0) return null;
        const failed = sum(all.map(({ measured }) => failedOf(measured).length));
        const sent = sum(all.map(({ measured }) => measured.records.length));
        return { right: failed === 0, seen: `${failed} of ${sent}` };
      }),
      by(
        {
          id: 'kills-b',
          text: 'Fewer requests keep the limits in the split: a pod that is gone takes half of a chain.',
        },
        (results) => {
          const shares = [arms.split, arms.whole].map((arm) => {
            const records = outcomesOf(results, { arm, group: 'conversation' }).flatMap(
              ({ measured }) => measured.records,
            );
            const { levels, limits } = loads[0]!;
            return sharesOf(records, [levels[0]!], limits)[0]?.share;
          });
          const [one, other] = shares;
          if (one === undefined || other === undefined) return null;
          return { right: one < other, seen: `${figure(100 * one)} % against ${figure(100 * other)} %` };
        },
      ),
    ],
  };
}
