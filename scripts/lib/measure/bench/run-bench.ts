import { createSend, promptSeed, REQUEST_TIMEOUT_MS, runSchedule } from '../drivers.js';
import { watch } from '../figures/usage.js';
import type { Arm, Load, Served, Trial } from '../types.js';

interface BenchPlan {
  readonly arms: readonly Arm[];
  readonly loads: readonly Load[];
  readonly rounds: number;
  readonly seed: number;
  /** So many times as long as usual everything takes, and may take; 1 where it does not say. */
  readonly stretch?: number;
}

interface BenchEvents {
  onStart(arm: string, round: number): void;
  onTrial(trial: Trial): void;
}

/**
 * Measures every arm under every load in every round. Arms take turns, so that a machine that changes during the
 * run changes for all, and run one at a time, so that an idle one takes nothing from the one that is measured.
 * Returns the version of each arm.
 */
export async function runBench(
  { arms, loads, rounds, seed, stretch = 1 }: BenchPlan,
  events: BenchEvents,
  signal: AbortSignal,
): Promise<Map<string, string>> {
  const versions = new Map<string, string>();
  const timeoutMs = REQUEST_TIMEOUT_MS * stretch;
  for (let round = 1; round <= rounds; round++) {
    for (const arm of rotated(arms, round - 1)) {
      for (const group of groupsOf(arm, loads)) {
        events.onStart(arm.name, round);
        const served = await arm.start(largest(group), signal);
        try {
          versions.set(arm.name, served.version);
          for (const load of group) {
            const { name } = load;
            // The same prompts for every arm of a round, and others in every round and under every load.
            const own = { round, seed: promptSeed(seed, round, name), timeoutMs };
            const seen = await measure(served, load, own, signal);
            events.onTrial({ arm: arm.name, load: name, round, ...seen });
          }
        } finally {
          await served.stop();
        }
      }
    }
  }
  return versions;
}

async function measure(
  served: Served,
  load: Load,
  { round, seed, timeoutMs }: { readonly round: number; readonly seed: number; readonly timeoutMs: number },
  signal: AbortSignal,
): Promise<Pick<Trial, 'records' | 'usage'>> {
  const prompts = await load.prompts(seed, signal);
  await runSchedule(load.warmUp, createSend(served.target, prompts, signal, timeoutMs), signal);
  const usage = await watch(served);
  const send = createSend(served.target, prompts, signal, timeoutMs);
  const records = await runSchedule(load.schedule(round), send, signal);
  return { records, usage: await usage() };
}

/** The loads that an arm can serve without being started anew. */
function groupsOf({ name, sized }: Arm, loads: readonly Load[]): Load[][] {
  const own = loads.filter(({ arms }) => arms?.includes(name) ?? true);
  if (own.length === 0) return [];
  return sized ? own.map((load) => [load]) : [own];
}

const largest = (loads: readonly Load[]): Load['size'] => ({
  clients: Math.max(...loads.map(({ size }) => size.clients)),
  tokens: Math.max(...loads.map(({ size }) => size.tokens)),
});

/** Nobody always goes first. */
const rotated = (arms: readonly Arm[], by: number): Arm[] =>
  arms.map((_, index) => arms[(index + by) % arms.length]!);
