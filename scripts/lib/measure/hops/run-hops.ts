import { commandLine, describeMachine, ownVersion } from '../page.js';
import { watchMachine } from '../figures/usage.js';
import { sum } from '../figures/statistics.js';
import { Pair, type Sample } from './pair.js';
import type { Arm, HopsRun, Load, Trial } from './report.js';

interface HopsOptions {
  /** Compiled checkouts: ours, and the one that it is measured against. */
  readonly roots: readonly string[];
  /** Path of the sidecars' program; null for the direct route alone. */
  readonly daprd: string | null;
  readonly loads: readonly Load[];
  readonly hidden: number;
  readonly rounds: number;
  /** Of each load, arm and round. */
  readonly transfers: number;
  readonly pauseMs: number;
}

/** Thrown away before the first round: compilers and flow-control windows find their pace. */
const WARM_UP = 20;

/** One transfer of a prompt for so many of rows: it takes as much longer. */
const PROMPTS = 4;

/**
 * Measures every load on every route of every checkout, in turn within each round, so that what else the machine does
 * meets them all. All processes are kept for the whole run.
 */
export async function runHops(options: HopsOptions, signal: AbortSignal): Promise<HopsRun> {
  const { roots, daprd, loads, hidden, rounds, transfers, pauseMs } = options;
  const pairs: Pair[] = [];
  try {
    for (const root of roots) pairs.push(await Pair.start({ root, daprd }));
    const arms = pairs.flatMap((pair, index) => armsOf(index > 0, daprd).map((arm) => ({ ...arm, pair })));
    const measure = (load: Load, arm: (typeof arms)[number], most: number): Promise<Sample> => {
      signal.throwIfAborted();
      const { rows, prompt } = load;
      const count = prompt ? Math.ceil(most / PROMPTS) : most;
      return arm.pair.measure({ route: arm.route, count, rows, hidden, prompt, pauseMs });
    };
    for (const load of loads) for (const arm of arms) await measure(load, arm, Math.min(WARM_UP, transfers));

    const trials: Trial[] = [];
    const machine = watchMachine();
    const begun = performance.now();
    for (let round = 0; round < rounds; round++) {
      const first = round % arms.length;
      for (const load of loads)
        for (const arm of [...arms.slice(first), ...arms.slice(0, first)])
          trials.push({ round, load: load.title, arm: arm.name, ...(await measure(load, arm, transfers)) });
    }
    const { machineSeconds, clientSeconds } = machine();
    const ours = clientSeconds + sum(trials.map(({ services, sidecars }) => services + sidecars));
    const seconds = (performance.now() - begun) / 1000;
    return {
      date: new Date().toISOString(),
      command: commandLine('hops'),
      machine: describeMachine(),
      rounds,
      hidden,
      versions: roots.map((root) => ownVersion(root)),
      otherLoad: machineSeconds === null ? null : Math.max(0, machineSeconds - ours) / seconds,
      loads,
      arms: arms.map(({ name, route, before }) => ({ name, route, before })),
      trials,
    };
  } finally {
    await Promise.all(pairs.map((pair) => pair.stop()));
  }
}

const armsOf = (before: boolean, daprd: string | null): Arm[] =>
  (daprd === null ? (['direct'] as const) : (['dapr', 'direct'] as const)).map((route) => ({
    name: before ? `${route}, before` : route,
    route,
    before,
  }));
