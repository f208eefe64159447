import type { Outcome, ScenarioLoad, ScenarioResults } from './scenario.js';
import { hopAsRun } from './simulate/hop.js';
import { simulate } from './simulate/simulate.js';

/**
 * What was run, simulated with all that is modelled `scale` times as long, under a load as much slower: a hop is what it is. What only a
 * run shows, such as when an autoscaler acted, is left out, so that nothing is judged by it.
 */
export function scaledResults({ scenario, outcomes }: ScenarioResults, scale: number): ScenarioResults {
  return { scenario, outcomes: outcomes.map((outcome) => scaled(outcome, scale)), voids: [] };
}

function scaled({ arm, load: asRun, measured }: Outcome, scale: number): Outcome {
  const load = stretched(asRun, scale);
  const { records } = simulate(arm, load.arrivals, { hop: hopAsRun(arm), scale });
  return {
    arm,
    load,
    measured: { ...measured, records, observations: [], lives: [] },
    simulated: { records },
  };
}

const stretched = (load: ScenarioLoad, times: number): ScenarioLoad => ({
  ...load,
  arrivals: load.arrivals.map((arrival) => ({ ...arrival, at: arrival.at * times })),
  levels: load.levels.map(({ name, rate, duration }) => ({
    name,
    rate: rate / times,
    duration: duration * times,
  })),
});
