import { once, setMaxListeners } from 'node:events';
import { get, type IncomingMessage } from 'node:http';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { setTimeout as delay } from 'node:timers/promises';
import { createRandom } from '../../../services/lib/sampling/random.js';
import type { LocalSystem } from '../local/local-system.js';
import { waitUntil } from '../wait-until.js';
import { leftovers, takeCensus, type Census } from './census.js';
import { askOn, learnAnswers } from './good-clients.js';
import { doHarm } from './hostile-clients.js';
import { planFaults, type FaultKind, type PlannedFault } from './plan.js';
import { disturbProcess, type ProcessFault } from './process-faults.js';
import { Ledger, type Observed } from './report.js';

interface Chaos {
  readonly seed: number;
  /** Seconds. */
  readonly duration: number;
  readonly kinds: readonly FaultKind[];
  /** So many times as often as usual. */
  readonly pace: number;
  /** That behave well. */
  readonly clients: number;
  readonly onEvent: (message: string) => void;
}

/** Stages tell every two seconds what they have; this is longer. */
const QUIET_MS = 3_000;
const SETTLE_TIMEOUT_MS = 60_000;

/** Harms a system that runs while clients use it, and tells what was seen. */
export async function runChaos(system: LocalSystem, chaos: Chaos, signal: AbortSignal): Promise<Observed> {
  const { seed, duration, kinds, pace, clients, onEvent } = chaos;
  const { url } = system;
  const answers = await learnAnswers(url, signal);
  onEvent(`${answers.length} answers of the undisturbed system are known`);
  // What only the first clients bring about, such as pools, belongs to the state before.
  await askOn(url, answers, { seed, ledger: new Ledger(), stop: AbortSignal.timeout(2_000), signal });
  await delay(QUIET_MS, undefined, { signal });
  const before = await takeCensus(system);

  const stop = new AbortController();
  const timer = setTimeout(() => stop.abort(), duration * 1_000);
  const own = monitorEventLoopDelay();
  own.enable();
  try {
    const ledger = new Ledger();
    const plan = planFaults(seed, duration, kinds, pace);
    const asking = Array.from({ length: clients }, (_, index) =>
      askOn(url, answers, { seed: seed + index, ledger, stop: stop.signal, signal }),
    );
    const until = AbortSignal.any([stop.signal, signal]);
    // Every request of a flood listens.
    setMaxListeners(0, signal, until);
    const harming = harm(system, plan, { ledger, onEvent }, until);
    const [harmed, health, ...pauses] = await Promise.all([harming, watchHealth(url, until), ...asking]);
    signal.throwIfAborted();
    own.disable();
    onEvent('the load has ended');
    const after = await settle(system, before, signal);
    return {
      seed,
      duration,
      faults: kinds.map((kind) => ({
        kind,
        planned: plan.filter((fault) => fault.kind === kind).length,
        done: harmed.done.filter((fault) => fault.kind === kind).length,
      })),
      endings: ledger.endings,
      pauses: pauses.flat(),
      health: health.times,
      healthFailures: health.failures,
      ownDelay: own.percentile(99) / 1e6,
      unrecovered: harmed.unrecovered,
      before,
      after,
    };
  } finally {
    clearTimeout(timer);
    stop.abort();
  }
}

interface Harmed {
  readonly done: readonly PlannedFault[];
  readonly unrecovered: readonly string[];
}

/**
 * Each fault at its time: clients beside everything else, processes one after another, for nobody survives the loss of
 * all replicas of a stage. Ends when the signal says so; what is going on then is broken off.
 */
async function harm(
  system: LocalSystem,
  plan: readonly PlannedFault[],
  { ledger, onEvent }: { ledger: Ledger; onEvent: (message: string) => void },
  signal: AbortSignal,
): Promise<Harmed> {
  const started = performance.now();
  const done: PlannedFault[] = [];
  const unrecovered: string[] = [];
  let processes: Promise<void> = Promise.resolve();
  const begin = async (fault: PlannedFault): Promise<void> => {
    if (signal.aborted) return;
    done.push(fault);
    const { kind, seed } = fault;
    const random = createRandom(seed);
    if (!isProcessFault(kind)) return doHarm(kind, ledger, { url: system.url, random, signal });
    const problem = await disturbProcess(kind, system, random, signal);
    if (problem === null) return;
    unrecovered.push(problem);
    onEvent(problem);
  };
  const running = plan.map(async (fault) => {
    await delay(Math.max(0, fault.at * 1_000 - (performance.now() - started)), undefined, { signal });
    if (!isProcessFault(fault.kind)) return begin(fault);
    processes = processes.then(() => begin(fault));
    return processes;
  });
  for (const result of await Promise.allSettled(running)) {
    if (result.status === 'rejected' && !signal.aborted) throw result.reason;
  }
  return { done, unrecovered };
}

const isProcessFault = (kind: FaultKind): kind is ProcessFault => kind === 'kill' || kind === 'stop';

/** Looks until nothing is left over, but not for ever; returns what there is then. */
async function settle(system: LocalSystem, before: Census, signal: AbortSignal): Promise<Census> {
  await delay(QUIET_MS, undefined, { signal });
  let census!: Census;
  const isSettled = async (): Promise<boolean> => {
    census = await takeCensus(system);
    return leftovers(before, census).length === 0;
  };
  await waitUntil(isSettled, { every: 1_000, limit: SETTLE_TIMEOUT_MS, signal });
  return census;
}

const PERIOD_MS = 100;
/** A liveness probe waits no longer. */
const TIMEOUT_MS = 5_000;

interface Health {
  /** How long each answer took, milliseconds. */
  readonly times: readonly number[];
  /** How often none came in time. */
  readonly failures: number;
}

/** Asks for `/health` ten times a second, each time over a connection of its own as a probe does, until told to stop. */
async function watchHealth(url: string, stop: AbortSignal): Promise<Health> {
  const times: number[] = [];
  let failures = 0;
  while (!stop.aborted) {
    const asked = performance.now();
    try {
      const call = get(`${url}/health`, { agent: false, timeout: TIMEOUT_MS });
      call.once('timeout', () => call.destroy(new Error('late')));
      const [response] = (await once(call, 'response')) as [IncomingMessage];
      response.resume();
      times.push(performance.now() - asked);
    } catch {
      failures++;
    }
    await delay(PERIOD_MS, undefined, { signal: stop }).catch(() => undefined);
  }
  return { times, failures };
}
