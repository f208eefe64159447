import type { Arm } from '../arm.js';
import type { Scenario, ScenarioRun } from '../scenario.js';
import { CONTEXTS } from '../settings.js';
import { expectedKnee } from './expected-knee.js';
import { slowed, splitAt, whole, wholeMixed, type FleetOptions } from '../fleets.js';
import { byKnees, type Cell } from './judge.js';
import { groupOf, sweeps } from './loads.js';

const LENGTHS = CONTEXTS.middle;

/** Two devices that are not alike. */
export function mixedFleet(options: FleetOptions): Scenario {
  const arms = {
    bothWhole: wholeMixed(['a100-80g', 'a40'], options),
    // As many layers as take each device as long: an A40 takes 2.3 to 2.6 times as long for a layer.
    uneven: splitAt([28], [on('a100-80g'), on('a40')], slowed(options, 2)),
    oneWhole: whole('a100-40g', 1, options),
    together: splitAt([33], [on('a100-40g'), on('l4')], options),
  };
  const runs = Object.values(arms).map((arm): ScenarioRun => {
    return { arm, loads: sweeps(LENGTHS, expectedKnee(arm, LENGTHS)) };
  });
  const at = (arm: Arm): Cell => ({ arm, group: groupOf(LENGTHS) });
  return {
    name: 's4',
    title: 'A mixed fleet',
    question:
      'A large device and a small one: a whole model on each that holds it, or an uneven split over both?',
    runs,
    expectations: [
      byKnees(
        {
          id: 's4-a',
          text: 'Where both hold the model (A100-80G, A40), whole replicas that are given what they can do carry at least as much.',
        },
        at(arms.bothWhole),
        at(arms.uneven),
        (ratio) => ratio >= 1,
      ),
      byKnees(
        {
          id: 's4-b',
          text: 'Where the small one does not (A100-40G, L4), both together carry at least 1.3 times what the large one carries alone (so 0.65 times as much a device).',
        },
        at(arms.together),
        at(arms.oneWhole),
        (ratio) => ratio >= 0.65,
      ),
    ],
  };
}

const on = (device: string): { device: string; replicas: number } => ({ device, replicas: 1 });
