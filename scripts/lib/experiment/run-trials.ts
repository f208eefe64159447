import { createHash } from 'node:crypto';
import { createSend } from '../bench/drivers/send.js';
import { runSchedule } from '../bench/drivers/run-schedule.js';
import { randomPrompts } from '../bench/prompts.js';
import { readMachineCpu } from '../bench/measure/proc.js';
import { throughputOf } from '../bench/trial.js';
import type { PlannedRequest, RequestRecord, Schedule } from '../bench/types.js';
import type { RowStore } from './rows.js';
import { startSampling } from './sampler.js';
import type { Arm, Deployed, Site, Trial } from './types.js';

export interface PlannedTrial {
  /** Of the load. */
  readonly name: string;
  readonly schedule: Schedule;
  /** Added to everything that a pod sends to another, milliseconds; null leaves the network alone, and uncounted. */
  readonly delayMs: number | null;
}

export interface TrialOptions {
  readonly site: Site;
  readonly store: RowStore;
  readonly seed: number;
  readonly onEvent: (message: string) => void;
}

/** Of the requests that warm an arm up; they are thrown away. */
const WARM_UP: PlannedRequest = { kind: 'warm-up', promptTokens: 64, outputTokens: 16 };
const WARM_UP_REQUESTS = 4;

/**
 * Runs an arm under every load that has not been run yet, one after another, and returns all trials. The arm is
 * deployed once, and is as it was at first before each load.
 */
export async function runTrials(
  arm: Arm,
  planned: readonly PlannedTrial[],
  options: TrialOptions,
  signal: AbortSignal,
): Promise<Trial[]> {
  const { site, store, onEvent } = options;
  const missing = planned.filter(({ name }) => store.readTrial(arm.name, name) === null);
  if (missing.length > 0) {
    onEvent(`${arm.name}: deploying ${arm.title}`);
    const description = await site.describe(signal);
    const deployed = await site.deploy(arm, signal);
    try {
      await warmUp(deployed, options.seed, signal);
      for (const trial of missing) {
        await deployed.settle(signal);
        onEvent(`${arm.name}: ${trial.name}`);
        const seen = await onItsWay(deployed, trial.delayMs, signal, () =>
          runTrial(deployed, trial, options.seed, signal),
        );
        store.writeTrial({ arm: arm.name, load: trial.name, site: description, ...seen });
        onEvent(`  ${outcomeOf(seen.records)}`);
      }
    } finally {
      await deployed.stop();
    }
  }
  return planned.map(({ name }) => store.readTrial(arm.name, name)!);
}

async function runTrial(
  deployed: Deployed,
  { name, schedule }: PlannedTrial,
  seed: number,
  signal: AbortSignal,
): Promise<Omit<Trial, 'arm' | 'load' | 'site' | 'wireBytes'>> {
  const [machine, client] = [readMachineCpu(), process.cpuUsage()];
  const sampling = startSampling(deployed, signal);
  const startedAt = Date.now();
  const send = createSend(deployed.target, randomPrompts(promptSeed(seed, name)), signal);
  const [records, observations] = await Promise.all([
    runSchedule(schedule, send, signal).finally(() => sampling.stop()),
    sampling.observations,
  ]);
  const [machineAfter, { user, system }] = [readMachineCpu(), process.cpuUsage(client)];
  return {
    startedAt,
    records,
    observations,
    lives: deployed.lives(),
    machineCpuSeconds: machine === null || machineAfter === null ? null : machineAfter - machine,
    clientCpuSeconds: (user + system) / 1e6,
  };
}

/** Runs a trial while what the pods send each other is delayed and counted, or is not. */
async function onItsWay<Seen>(
  deployed: Deployed,
  delayMs: number | null,
  signal: AbortSignal,
  run: () => Promise<Seen>,
): Promise<Seen & Pick<Trial, 'wireBytes'>> {
  if (delayMs === null) return { ...(await run()), wireBytes: null };
  const stop = await deployed.delay(delayMs, signal);
  try {
    const seen = await run();
    return { ...seen, wireBytes: await stop() };
  } finally {
    await stop();
  }
}

function outcomeOf(records: readonly RequestRecord[]): string {
  const failed = records.filter(({ error }) => error !== null).length;
  const rate = throughputOf({ records }).toFixed(1);
  return `${records.length} requests, ${failed} failed, ${rate} output tokens/s`;
}

async function warmUp({ target }: Deployed, seed: number, signal: AbortSignal): Promise<void> {
  const send = createSend(target, randomPrompts(promptSeed(seed, 'warm-up')), signal);
  const requests = Array<PlannedRequest>(WARM_UP_REQUESTS).fill(WARM_UP);
  await runSchedule({ type: 'closed', clients: WARM_UP_REQUESTS, requests }, send, signal);
}

/** The same prompts for every arm, and others under every load. */
const promptSeed = (seed: number, load: string): number =>
  createHash('sha256').update(`${seed} ${load}`).digest().readUInt32LE();
