import { figure } from '../../../cli/tables.js';
import type { Lengths } from '../../loads/share-gpt.js';
import type { Arm } from '../arm.js';
import type { Scenario, ScenarioRun } from '../scenario.js';
import { expectedKnee } from './expected-knee.js';
import { slowed, split, whole, type FleetOptions } from '../fleets.js';
import { by, byKnees, ttftOf, type Cell } from './judge.js';
import { alone, groupOf, sweeps } from './loads.js';

const OUTPUT = 64;
/** Seconds between two prompts that are alone. */
const APART = 3;
/** All that a context of 4,096 holds, and all that one of 8,192 does. */
const PROMPTS = [2_000, 4_000];
const LONGEST = 8_000;
const CROWD: Lengths = { prompt: 4_000, output: OUTPUT };

/** Long prompts, alone and many: chunks of one prompt are computed by all stages at a time. */
export function longPrompts(options: FleetOptions): Scenario {
  const shape = 'llama-3-8b';
  const arms = {
    whole: whole('a100-80g', 2, options),
    two: split(2, 'a100-80g', 1, slowed(options, 2)),
    // Their steps are so short that a machine of two processors is late for many.
    four: split(4, 'a100-80g', 1, slowed(options, 4)),
    eightWhole: whole('a100-80g', 1, { ...options, shape }),
    eightFour: split(4, 'a100-80g', 1, slowed({ ...options, shape }, 16)),
  };
  const lone = (arm: Arm): Cell => ({ arm, group: 'alone' });
  const crowd = (arm: Arm): Cell => ({ arm, group: groupOf(CROWD) });
  const loads = (arm: Arm): ScenarioRun['loads'] => alone(PROMPTS, OUTPUT, APART).concat(crowded(arm));
  const crowded = (arm: Arm): ScenarioRun['loads'] => sweeps(CROWD, expectedKnee(arm, CROWD));
  const faster = (
    text: string,
    id: string,
    [slow, fast]: readonly [Arm, Arm],
    prompt: number,
    [least, most]: readonly [number, number],
  ) =>
    by({ id, text }, (results) => {
      const [from, to] = [slow, fast].map((arm) => ttftOf(results, lone(arm), String(prompt)));
      if (!from || !to) return null;
      const ratio = from / to;
      const seen = `${figure(from)} against ${figure(to)} ms, ${figure(ratio)} times`;
      return { right: least <= ratio && ratio <= most, seen };
    });
  return {
    name: 's5',
    title: 'Long prompts',
    question: 'Prompts of 2,000 to 8,000 tokens, alone and at high load: what do stages in a row bring?',
    runs: [
      { arm: arms.whole, loads: loads(arms.whole) },
      { arm: arms.two, loads: loads(arms.two) },
      { arm: arms.four, loads: alone(PROMPTS, OUTPUT, APART) },
      { arm: arms.eightWhole, loads: alone([LONGEST], OUTPUT, APART) },
      { arm: arms.eightFour, loads: alone([LONGEST], OUTPUT, APART) },
    ],
    expectations: [
      faster(
        'A prompt of 4,000 tokens alone has its first token 1.4 to 1.6 times as soon from two stages.',
        's5-a',
        [arms.whole, arms.two],
        4_000,
        [1.4, 1.6],
      ),
      faster('And 2.0 to 2.6 times as soon from four.', 's5-b', [arms.whole, arms.four], 4_000, [2, 2.6]),
      faster(
        'So does one of 8,000 (8B, four stages).',
        's5-c',
        [arms.eightWhole, arms.eightFour],
        8_000,
        [2, 2.6],
      ),
      byKnees(
        { id: 's5-d', text: 'At high load two stages carry no more than two whole models do.' },
        crowd(arms.two),
        crowd(arms.whole),
        (ratio) => ratio <= 1.05,
      ),
    ],
  };
}
