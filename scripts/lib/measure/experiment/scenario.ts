import type { ServiceLevel } from '../figures/requests.js';
import type { Arrival } from '../types.js';
import type { Arm } from './arm.js';
import type { Trial } from './types.js';

export const SCENARIOS = ['s1', 's2', 's3', 's4', 's5', 's6', 'kills'] as const;
export type ScenarioName = (typeof SCENARIOS)[number];

/** A question about emulated GPUs, and what is run to answer it. */
export interface Scenario {
  readonly name: ScenarioName | 'smoke';
  readonly title: string;
  /** For the reader, one sentence. */
  readonly question: string;
  /** In the order in which they run; each arm is deployed once. */
  readonly runs: readonly ScenarioRun[];
  readonly expectations: readonly Expectation[];
}

export interface ScenarioRun {
  readonly arm: Arm;
  readonly loads: readonly ScenarioLoad[];
  /** A pod of this stage is killed so many seconds after each load has begun; left out: none. */
  readonly kills?: readonly { readonly stage: string; readonly at: number }[];
}

/** An open load, undilated. */
export interface ScenarioLoad {
  /** Unique within the scenario, such as `1200-seed-1`. */
  readonly name: string;
  /** Loads that differ in nothing but the seed have the same. */
  readonly group: string;
  readonly seed: number;
  /** What its requests have to keep. */
  readonly limits: ServiceLevel;
  /** Arrivals at each level carry its name as their kind. */
  readonly arrivals: readonly Arrival[];
  /** Rates that are tried one after the other, rising. */
  readonly levels: readonly Level[];
}

export interface Level {
  readonly name: string;
  /** Requests a second. */
  readonly rate: number;
  /** Seconds. */
  readonly duration: number;
}

/** What was expected before anything was run, and how it is judged by what was. */
export interface Expectation {
  /** Such as `s1-a`. */
  readonly id: string;
  readonly text: string;
  judge(results: ScenarioResults): Verdict;
}

export interface Verdict {
  /** Null where what it takes was not run, or does not tell. */
  readonly right: boolean | null;
  /** The figures that say so. */
  readonly seen: string;
}

export interface ScenarioResults {
  readonly scenario: Scenario;
  /** What was run and is not void. */
  readonly outcomes: readonly Outcome[];
  /** Why what was run is void, and does not count. */
  readonly voids: readonly { readonly arm: Arm; readonly load: ScenarioLoad; readonly reason: string }[];
}

/** One arm under one load: as it was run, and as it was simulated. Times are undilated. */
export interface Outcome {
  readonly arm: Arm;
  readonly load: ScenarioLoad;
  readonly measured: Trial;
  readonly simulated: Pick<Trial, 'records'>;
}

/**
 * Limits of MLPerf Inference v5 for Llama-2-70B, of its server scenario, which people who read find fast enough. Milliseconds, at p99
 * there; here a load counts as served while nine of ten requests keep them.
 */
export const SERVER_LIMITS: ServiceLevel = { ttft: 2_000, tpot: 200 };
