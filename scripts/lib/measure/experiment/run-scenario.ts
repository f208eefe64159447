import { createHash } from 'node:crypto';
import { join } from 'node:path';
import type { StageCounters } from '../figures/stage-counters.js';
import type { RequestRecord } from '../types.js';
import { dilationOf, type Arm } from './arm.js';
import { RowStore, scenarioPlanOf } from './plan.js';
import { runTrials, type PlannedTrial, type TrialOptions } from './run-trials.js';
import type { Outcome, Scenario, ScenarioLoad, ScenarioResults, ScenarioRun } from './scenario.js';
import type { Observation, PodLife, Trial } from './types.js';

export interface ScenarioOptions extends Omit<TrialOptions, 'seed'> {
  /** All that is modelled, and what is asked for, takes so many times as long. */
  readonly dilate: number;
}

/** As far as a scenario is run and not simulated. */
export interface MeasuredScenario extends Omit<ScenarioResults, 'outcomes'> {
  readonly outcomes: readonly Omit<Outcome, 'simulated'>[];
}

/** Of the requests that warm an arm up. */
const WARM_UP_SEED = 1;

/**
 * Runs each arm of a scenario under each of its loads, and keeps the rows in the scenario's own folder of the store: run
 * again, it runs what is missing or void. Throws `invalid_config` for rows of other settings, arms or loads.
 */
export async function runScenario(
  scenario: Scenario,
  { dilate, ...options }: ScenarioOptions,
  signal: AbortSignal,
): Promise<MeasuredScenario> {
  const store = new RowStore(join(options.store.folder, scenario.name));
  scenarioPlanOf(scenario.name, dilate, store);
  const outcomes: MeasuredScenario['outcomes'][number][] = [];
  const voids: ScenarioResults['voids'][number][] = [];
  for (const run of scenario.runs) {
    const arm = dilated(run.arm, dilate);
    const planned = run.loads.map((load) => plannedTrial(arm, load, run));
    const trials = await runTrials(arm, planned, { ...options, store, seed: WARM_UP_SEED }, signal);
    for (const [index, trial] of trials.entries()) {
      const load = run.loads[index]!;
      if (trial.void) voids.push({ arm, load, reason: trial.void });
      else outcomes.push({ arm, load, measured: undilatedTrial(trial, dilationOf(arm)) });
    }
  }
  return { scenario, outcomes, voids };
}

const dilated = (arm: Arm, dilation: number): Arm =>
  arm.emulated ? { ...arm, emulated: { ...arm.emulated, dilation } } : arm;

function plannedTrial(arm: Arm, load: ScenarioLoad, { kills = [] }: ScenarioRun): PlannedTrial {
  const k = dilationOf(arm);
  const { split, stages, mesh, emulated } = arm;
  const { seed, arrivals } = load;
  const decisive = JSON.stringify({ split, stages, mesh, emulated, seed, arrivals, kills });
  return {
    name: load.name,
    seed,
    schedule: { type: 'open', arrivals: arrivals.map((arrival) => ({ ...arrival, at: arrival.at * k })) },
    kills: kills.map(({ stage, at }) => ({ stage, at: at * k })),
    delayMs: null,
    of: createHash('sha256').update(decisive).digest('hex').slice(0, 16),
  };
}

/** What clients saw, as if nothing had been dilated. */
export const undilated = (records: readonly RequestRecord[], k: number): RequestRecord[] =>
  records.map((record) => ({
    ...record,
    sent: record.sent / k,
    tokens: record.tokens.map((at) => at / k),
  }));

/**
 * A whole trial likewise, from its start. What a process has used of a processor stays, for that is not modelled; what the
 * cluster does by its own clock is k times too fast then.
 */
export function undilatedTrial(trial: Trial, k: number): Trial {
  const moment = (at: number): number => trial.startedAt + (at - trial.startedAt) / k;
  return {
    ...trial,
    records: undilated(trial.records, k),
    observations: trial.observations.map(({ at, scales, pods }): Observation => ({
      at: moment(at),
      scales,
      pods: pods.map((pod) => ({
        ...pod,
        counters: pod.counters === null ? null : undilatedCounters(pod.counters, k),
      })),
    })),
    lives: trial.lives.map((life) => momentsOf(life, moment)),
    ...(trial.killed && { killed: trial.killed.map((each) => ({ ...each, at: moment(each.at) })) }),
  };
}

const momentsOf = (life: PodLife, moment: (at: number) => number): PodLife => {
  const { created, scheduled, started, ready, ended = null } = life;
  const maybe = (at: number | null): number | null => (at === null ? null : moment(at));
  return {
    ...life,
    created: moment(created),
    scheduled: maybe(scheduled),
    started: maybe(started),
    ready: maybe(ready),
    ended: maybe(ended),
  };
};

const undilatedCounters = (counters: StageCounters, k: number): StageCounters => {
  const pairs = Object.entries(counters);
  return Object.fromEntries(
    pairs.map(([name, value]) => [name, name.endsWith('Seconds') ? value / k : value]),
  ) as StageCounters;
};
