import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { undilated } from '../figures/undilated.js';
import { dilationOf, type Arm } from './arm.js';
import { RowStore, scenarioPlanOf } from './plan.js';
import { keptTrial, runTrials, type PlannedTrial, type TrialOptions } from './run-trials.js';
import type { Outcome, Scenario, ScenarioLoad, ScenarioResults, ScenarioRun } from './scenario.js';
import { hopAsRun } from './simulate/hop.js';
import { simulate } from './simulate/simulate.js';

/** Of the requests that warm an arm up. */
const WARM_UP_SEED = 1;

/**
 * Runs each arm of a scenario under each of its loads, and keeps the rows in the scenario's own folder of the store: run
 * again, it runs what is missing or void. Throws `invalid_config` for rows of other settings, arms or loads.
 */
export async function runScenario(
  scenario: Scenario,
  options: Omit<TrialOptions, 'seed'>,
  signal: AbortSignal,
): Promise<void> {
  const store = storeOf(scenario, options.store);
  scenarioPlanOf(scenario.name, store);
  for (const run of scenario.runs) {
    const planned = run.loads.map((load) => plannedTrial(run, load));
    await runTrials(run.arm, planned, { ...options, store, seed: WARM_UP_SEED }, signal);
  }
}

/** What has been run of a scenario so far, and beside it the same simulated; nothing is run. Throws as `runScenario` does. */
export function resultsOf(scenario: Scenario, rows: RowStore): ScenarioResults {
  const store = storeOf(scenario, rows);
  const outcomes: Outcome[] = [];
  const voids: ScenarioResults['voids'][number][] = [];
  for (const run of scenario.runs) {
    const { arm, kills = [] } = run;
    for (const load of run.loads) {
      const trial = keptTrial(arm, plannedTrial(run, load), store);
      if (trial?.void) voids.push({ arm, load, reason: trial.void });
      else if (trial) {
        const measured = undilated(trial, dilationOf(arm));
        const simulated = simulate(arm, load.arrivals, { hop: hopAsRun(arm), kills });
        outcomes.push({ arm, load, measured, simulated });
      }
    }
  }
  return { scenario, outcomes, voids };
}

const storeOf = ({ name }: Pick<Scenario, 'name'>, rows: RowStore): RowStore =>
  new RowStore(join(rows.folder, name));

function plannedTrial(
  { arm, kills = [] }: Pick<ScenarioRun, 'arm' | 'kills'>,
  load: ScenarioLoad,
): PlannedTrial {
  const k = dilationOf(arm);
  const { seed, arrivals } = load;
  return {
    name: load.name,
    seed,
    schedule: { type: 'open', arrivals: arrivals.map((arrival) => ({ ...arrival, at: arrival.at * k })) },
    kills: kills.map(({ stage, at }) => ({ stage, at: at * k })),
    delayMs: null,
    of: digestOf(arm, { seed, arrivals, kills }),
  };
}

/** Of all that decides a row's figures. */
function digestOf({ split, stages, mesh, emulated }: Arm, load: object): string {
  const decisive = JSON.stringify({ split, stages, mesh, emulated, ...load });
  return createHash('sha256').update(decisive).digest('hex').slice(0, 16);
}
