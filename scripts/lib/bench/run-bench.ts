import { createHash } from 'node:crypto';
import { createSend } from './drivers/send.js';
import { runSchedule } from './drivers/run-schedule.js';
import { watch } from './measure/watch.js';
import type { Trial } from './trial.js';
import type { Arm, Load, Served } from './types.js';

export interface BenchPlan {
  readonly arms: readonly Arm[];
  readonly loads: readonly Load[];
  readonly rounds: number;
  readonly seed: number;
}

export interface BenchEvents {
  onStart(arm: string, round: number): void;
  onTrial(trial: Trial): void;
}

/**
 * Measures every arm under every load in every round. Arms take turns, so that a machine that changes during the
 * run changes for all, and run one at a time, so that an idle one takes nothing from the one that is measured.
 * Returns the version of each arm.
 */
export async function runBench(
  { arms, loads, rounds, seed }: BenchPlan,
  events: BenchEvents,
  signal: AbortSignal,
): Promise<Map<string, string>> {
  const versions = new Map<string, string>();
  for (let round = 1; round <= rounds; round++) {
    for (const arm of rotated(arms, round - 1)) {
      const own = loads.filter((load) => load.arms?.includes(arm.name) ?? true);
      for (const group of arm.sized ? own.map((load) => [load]) : [own]) {
        if (group.length === 0) continue;
        events.onStart(arm.name, round);
        const served = await arm.start(largest(group), signal);
        try {
          versions.set(arm.name, served.version);
          for (const load of group) {
            events.onTrial(await measure(arm, served, load, round, promptSeed(seed, round, load), signal));
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
  arm: Arm,
  served: Served,
  load: Load,
  round: number,
  seed: number,
  signal: AbortSignal,
): Promise<Trial> {
  const prompts = await load.prompts(seed, signal);
  await runSchedule(load.warmUp, createSend(served.target, prompts, signal), signal);
  const usage = await watch(served);
  const send = createSend(served.target, prompts, signal);
  const records = await runSchedule(load.schedule(round), send, signal);
  return { arm: arm.name, load: load.name, round, records, usage: await usage() };
}

/** The same prompts for every arm of a round, and others in every round and under every load. */
const promptSeed = (seed: number, round: number, { name }: Load): number =>
  createHash('sha256').update(`${seed} ${round} ${name}`).digest().readUInt32LE();

const largest = (loads: readonly Load[]): Load['size'] => ({
  clients: Math.max(...loads.map(({ size }) => size.clients)),
  tokens: Math.max(...loads.map(({ size }) => size.tokens)),
});

/** Nobody always goes first. */
const rotated = (arms: readonly Arm[], by: number): Arm[] =>
  arms.map((_, index) => arms[(index + by) % arms.length]!);
