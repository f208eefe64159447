import { setTimeout as delay } from 'node:timers/promises';
import { within } from '../../wait-until.js';
import { closedSchedule, createSend, promptSeed, runSchedule } from '../drivers.js';
import { failedOf, throughputOf } from '../figures/requests.js';
import { watchMachine } from '../figures/usage.js';
import { randomPrompts } from '../loads/prompts.js';
import type { PlannedRequest, RequestRecord, Schedule } from '../types.js';
import type { RowStore } from './plan.js';
import type { Arm } from './arm.js';
import type { Deployed, Observation, Site, Trial } from './types.js';

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
        // Meanwhile what the pods send each other is delayed and counted, or is not.
        const endDelay = trial.delayMs === null ? null : await deployed.delay(trial.delayMs, signal);
        try {
          const seen = await runTrial(deployed, trial, options.seed, signal);
          const wireBytes = (await endDelay?.()) ?? null;
          store.writeTrial({ arm: arm.name, load: trial.name, site: description, ...seen, wireBytes });
          onEvent(`  ${outcomeOf(seen.records)}`);
        } finally {
          await endDelay?.();
        }
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
  const used = watchMachine();
  const over = new AbortController();
  const observing = observeUntil(over.signal, deployed, signal);
  const startedAt = Date.now();
  // The same prompts for every arm, and others under every load.
  const send = createSend(deployed.target, randomPrompts(promptSeed(seed, name)), signal);
  const [records, observations] = await Promise.all([
    runSchedule(schedule, send, signal).finally(() => over.abort()),
    observing,
  ]);
  const { machineSeconds: machineCpuSeconds, clientSeconds: clientCpuSeconds } = used();
  const lives = deployed.lives();
  return { startedAt, records, observations, lives, machineCpuSeconds, clientCpuSeconds };
}

function outcomeOf(records: readonly RequestRecord[]): string {
  const failed = failedOf({ records }).length;
  const rate = throughputOf({ records }).toFixed(1);
  return `${records.length} requests, ${failed} failed, ${rate} output tokens/s`;
}

async function warmUp({ target }: Deployed, seed: number, signal: AbortSignal): Promise<void> {
  const send = createSend(target, randomPrompts(promptSeed(seed, 'warm-up')), signal);
  await runSchedule(closedSchedule(WARM_UP_REQUESTS, WARM_UP_REQUESTS, WARM_UP), send, signal);
}

const PERIOD_MS = 1_000;
const TIMEOUT_MS = 5_000;

/**
 * Looks at a system every second, and once more at the end. What cannot be seen in one second is seen in another: a
 * failure leaves a gap.
 */
async function observeUntil(
  over: AbortSignal,
  deployed: Pick<Deployed, 'observe'>,
  signal: AbortSignal,
): Promise<Observation[]> {
  const observations: Observation[] = [];
  const look = async (): Promise<void> => {
    const seen = await within(TIMEOUT_MS, signal, (limit) => deployed.observe(limit)).catch(() => null);
    if (seen !== null) observations.push(seen);
  };
  const ended = AbortSignal.any([signal, over]);
  for (let due = performance.now(); !ended.aborted;) {
    await look();
    due = Math.max(due + PERIOD_MS, performance.now());
    await delay(due - performance.now(), undefined, { signal: ended }).catch(() => undefined);
  }
  await look();
  return observations;
}
