import { setTimeout as delay } from 'node:timers/promises';
import { ServingError } from '../../../services/lib/errors/serving-error.js';
import type { KeptProcess } from '../local/processes/kept-process.js';
import type { LocalSystem } from '../local/local-system.js';
import { waitUntil, within } from '../wait-until.js';
import type { FaultKind } from './plan.js';

export type ProcessFault = Extract<FaultKind, 'kill' | 'stop'>;

const RETURN_TIMEOUT_MS = 90_000;
const LOOK_MS = 100;

/** Does one to a process of a layer service that the random numbers choose. Returns why it has not come back, or null. */
export async function disturbProcess(
  fault: ProcessFault,
  system: LocalSystem,
  random: () => number,
  signal: AbortSignal,
): Promise<string | null> {
  const stages = system.members.filter(({ appId }) => appId !== 'gateway');
  const services = stages.map(({ service }) => service);
  const sidecars = stages.flatMap(({ sidecar }) => sidecar ?? []);
  const victims = fault === 'stop' ? services : [...services, ...sidecars];
  const victim = victims.sort((one, other) => (one.name < other.name ? -1 : 1))[
    Math.floor(random() * victims.length)
  ]!;
  if (fault === 'kill') return kill(victim, system, signal);
  await pause(victim, 1_000 + random() * 7_000, signal);
  return null;
}

/** It has to come back, or the next victim may be the last of its stage. */
async function kill(victim: KeptProcess, system: LocalSystem, signal: AbortSignal): Promise<string | null> {
  const { name, pid } = victim;
  if (!send(pid, 'SIGKILL')) return `${name} did not run when it was to be killed`;
  try {
    await within(RETURN_TIMEOUT_MS, signal, async (limit) => {
      await waitUntil(() => victim.pid !== pid, { every: LOOK_MS, signal: limit });
      await system.waitUntilComplete(limit);
    });
    return null;
  } catch (reason) {
    signal.throwIfAborted();
    return `${name} was killed and has not come back: ${ServingError.from(reason).message}`;
  }
}

/** Whatever ends the pause, the process goes on after it. */
async function pause({ pid }: KeptProcess, ms: number, signal: AbortSignal): Promise<void> {
  send(pid, 'SIGSTOP');
  try {
    await delay(ms, undefined, { signal });
  } finally {
    send(pid, 'SIGCONT');
  }
}

/** False when there is no such process, as after one restart too many. */
function send(pid: number, name: NodeJS.Signals): boolean {
  try {
    return process.kill(pid, name);
  } catch {
    return false;
  }
}
