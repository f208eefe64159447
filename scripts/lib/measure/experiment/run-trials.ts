import { setTimeout as delay } from 'node:timers/promises';
import { ServingError } from '../../../../services/lib/errors/serving-error.js';
import { within } from '../../wait-until.js';
import { closedSchedule, createSend, promptSeed, REQUEST_TIMEOUT_MS, runSchedule } from '../drivers.js';
import { failedOf, throughputOf } from '../figures/requests.js';
import { countersOver } from '../figures/stage-counters.js';
import { watchMachine } from '../figures/usage.js';
import { voidReason } from '../figures/validity.js';
import { randomPrompts } from '../loads/prompts.js';
import type { PlannedRequest, RequestRecord, Schedule } from '../types.js';
import type { RowStore } from './plan.js';
import { dilationOf, type Arm } from './arm.js';
import type { Deployed, Killed, Observation, Site, Trial } from './types.js';

export interface PlannedTrial {
  /** Of the load. */
  readonly name: string;
  readonly schedule: Schedule;
  /** Added to everything that a pod sends to another, milliseconds; null leaves the network alone, and uncounted. */
  readonly delayMs: number | null;
  /** Of its prompts, where it has its own. */
  readonly seed?: number;
  /** A replica of this stage is killed so many seconds after it has begun. */
  readonly kills?: readonly Kill[];
  /** Digest of what decides its figures: a row with another one is refused. */
  readonly of?: string;
}

interface Kill {
  readonly stage: string;
  /** Seconds. */
  readonly at: number;
}

export interface TrialOptions {
  readonly site: Site;
  readonly store: RowStore;
  readonly seed: number;
  readonly onEvent: (message: string) => void;
  /** Of the machine that plays the clients. */
  readonly watch?: typeof watchMachine;
}

/** Of the requests that warm an arm up; they are thrown away. */
const WARM_UP: PlannedRequest = { kind: 'warm-up', promptTokens: 64, outputTokens: 16 };
const WARM_UP_REQUESTS = 4;

/** What is void is measured again, and so often in all. */
const MOST_ATTEMPTS = 3;

/**
 * Runs an arm under every load that has not been run yet, or whose figures are void, one after another, and returns all
 * trials. The arm is deployed once, and is as it was at first before each load. Throws `invalid_config` where a row is
 * of another arm or load of the same name.
 */
export async function runTrials(
  arm: Arm,
  planned: readonly PlannedTrial[],
  options: TrialOptions,
  signal: AbortSignal,
): Promise<Trial[]> {
  const { site, store, onEvent } = options;
  const missing = planned.filter((trial) => {
    const kept = keptTrial(arm, trial, store);
    return kept === null || kept.void !== null;
  });
  if (missing.length > 0) {
    onEvent(`${arm.name}: deploying ${arm.title}`);
    const description = await site.describe(signal);
    const deployed = await site.deploy(arm, signal);
    try {
      await warmUp(deployed, options.seed, signal);
      for (const trial of missing) {
        for (let attempt = 1; attempt <= MOST_ATTEMPTS; attempt++) {
          await deployed.settle(signal);
          onEvent(`${arm.name}: ${trial.name}`);
          const seen = await runTrial(arm, deployed, trial, options, signal);
          store.writeTrial({ arm: arm.name, load: trial.name, site: description, ...seen });
          onEvent(`  ${outcomeOf(seen.records)}`);
          if (seen.void === null) break;
          onEvent(`  void, attempt ${attempt} of ${MOST_ATTEMPTS}: ${seen.void}`);
        }
      }
    } finally {
      await deployed.stop();
    }
  }
  return planned.map((trial) => keptTrial(arm, trial, store)!);
}

/** What the store has of a trial; null for one that has not been run. Throws `invalid_config` for a row of another arm or load of the same name. */
export function keptTrial(arm: Arm, { name, of }: PlannedTrial, store: RowStore): KeptTrial | null {
  const kept = store.readTrial(arm.name, name);
  if (kept === null) return null;
  if ((kept.of ?? null) === (of ?? null)) return { ...kept, void: kept.void ?? null };
  throw new ServingError(
    'invalid_config',
    `the row of ${arm.name} and ${name} in ${store.folder} is of others`,
    {
      hint: 'the arm or the load has been changed since: remove the row, or give another --rows folder',
    },
  );
}

type KeptTrial = Trial & { readonly void: string | null };
type SeenTrial = Omit<Trial, 'arm' | 'load' | 'site'> & { readonly void: string | null };

/** Meanwhile what the pods send each other is delayed and counted, where that is asked for. */
async function runTrial(
  arm: Arm,
  deployed: Deployed,
  trial: PlannedTrial,
  options: TrialOptions,
  signal: AbortSignal,
): Promise<SeenTrial> {
  const endDelay = trial.delayMs === null ? null : await deployed.delay(trial.delayMs, signal);
  try {
    const seen = await underLoad(arm, deployed, trial, options, signal);
    return { ...seen, wireBytes: (await endDelay?.()) ?? null, of: trial.of ?? null };
  } finally {
    await endDelay?.();
  }
}

async function underLoad(
  arm: Arm,
  deployed: Deployed,
  { name, schedule, kills = [], ...trial }: PlannedTrial,
  { seed, watch = watchMachine }: TrialOptions,
  signal: AbortSignal,
): Promise<Omit<SeenTrial, 'wireBytes' | 'of'>> {
  const used = watch();
  const ended = new AbortController();
  const over = AbortSignal.any([ended.signal, signal]);
  const observing = observeUntil(over, deployed, PERIOD_MS * dilationOf(arm), signal);
  const startedAt = Date.now();
  const killing = killAll(kills, deployed, over, signal);
  // What goes wrong with it is told when the load is over.
  killing.catch(() => undefined);
  // The same prompts for every arm, and others under every load.
  const prompts = randomPrompts(promptSeed(trial.seed ?? seed, name));
  const send = createSend(deployed.target, prompts, signal, REQUEST_TIMEOUT_MS * dilationOf(arm));
  const records = await runSchedule(schedule, send, signal).finally(() => ended.abort());
  const [observations, killed] = await Promise.all([observing, killing]);
  const { machineSeconds: machineCpuSeconds, clientSeconds: clientCpuSeconds, host } = used();
  const seen = { startedAt, records, observations, killed, machineCpuSeconds, clientCpuSeconds, host };
  return { ...seen, lives: deployed.lives(), void: arm.emulated ? voidOf(seen) : null };
}

/** Why an emulated arm did not keep its times, or cannot be known to have. */
function voidOf({ observations, host }: Pick<SeenTrial, 'observations' | 'host'>): string | null {
  const stages = countersOver(observations);
  if (stages.every(({ counters }) => counters.timedSteps === 0)) return 'no step was seen';
  return voidReason([{ stages, host: host ?? null }]);
}

/** Takes replicas away, each at its time, until the trial is over. */
async function killAll(
  kills: readonly Kill[],
  deployed: Pick<Deployed, 'kill'>,
  over: AbortSignal,
  signal: AbortSignal,
): Promise<Killed[]> {
  const killed: Killed[] = [];
  const origin = performance.now();
  for (const { stage, at } of [...kills].sort((one, other) => one.at - other.at)) {
    const left = Math.max(0, origin + at * 1000 - performance.now());
    await delay(left, undefined, { signal: over }).catch(() => undefined);
    if (over.aborted) break;
    const pod = await deployed.kill(stage, signal);
    if (pod !== null) killed.push({ stage, pod, at: Date.now() });
  }
  return killed;
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

/** Undilated. */
const PERIOD_MS = 1_000;
const TIMEOUT_MS = 5_000;

/**
 * Looks at a system now and then, and once more at the end. What cannot be seen at one time is seen at another: a failure
 * leaves a gap.
 */
async function observeUntil(
  over: AbortSignal,
  deployed: Pick<Deployed, 'observe'>,
  periodMs: number,
  signal: AbortSignal,
): Promise<Observation[]> {
  const observations: Observation[] = [];
  const look = async (): Promise<void> => {
    const seen = await within(TIMEOUT_MS, signal, (limit) => deployed.observe(limit)).catch(() => null);
    if (seen !== null) observations.push(seen);
  };
  for (let due = performance.now(); !over.aborted;) {
    await look();
    due = Math.max(due + periodMs, performance.now());
    await delay(due - performance.now(), undefined, { signal: over }).catch(() => undefined);
  }
  await look();
  return observations;
}
