import type { Scenario } from '../scenario.js';
import { split, whole, type FleetOptions } from '../fleets.js';
import { sweeps } from './loads.js';

/** Some seconds of two small arms without sidecars, to see that every part of a scenario works. */
export function smokeScenario(options: FleetOptions): Scenario {
  const direct = { ...options, mesh: 'direct' } as const;
  const [load] = sweeps({ prompt: 64, output: 16 }, 2, { shares: [0.75, 1] });
  const loads = [{ ...load!, arrivals: load!.arrivals.filter(({ at }) => at < 2) }];
  return {
    name: 'smoke',
    title: 'Smoke',
    question: 'Does it work?',
    runs: [whole('a100-80g', 1, direct), split(2, 'a100-80g', 1, direct)].map((arm) => ({ arm, loads })),
    expectations: [],
  };
}
