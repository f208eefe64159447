import { setMaxListeners } from 'node:events';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { setTimeout as delay } from 'node:timers/promises';
import { createRandom } from '../../../services/lib/sampling/random.js';
import type { LocalSystem } from '../local-system.js';
import { leftovers, takeCensus, type Census } from './census.js';
import { askOn, learnAnswers } from './good-clients.js';
import { hostileClients } from './hostile-clients.js';
import { Ledger } from './ledger.js';
import { planFaults, type FaultKind, type PlannedFault } from './plan.js';
import { disturbProcess } from './process-faults.js';
import type { Observed } from './report.js';
import { watchHealth } from './watch-health.js';

export interface Chaos {
  readonly seed: number;
  /** Seconds. */
  readonly duration: number;
  readonly kinds: readonly FaultKind[];
  /** That behave well. */
  readonly clients: number;
  readonly onEvent: (message: string) => void;
}

/** Stages tell every two seconds what they have; this is longer. */
const QUIET_MS = 3_000;
const SETTLE_TIMEOUT_MS = 60_000;
const LOOK_MS = 1_000;

/** Harms a system that runs while clients use it, and tells what was seen. */
export async function runChaos(system: LocalSystem, chaos: Chaos, signal: AbortSignal): Promise<Observed> {
  const { seed, duration, kinds, clients, onEvent } = chaos;
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
    const plan = planFaults(seed, duration, kinds);
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
    const { kind, seed } = fault;
    const random = createRandom(seed);
    if (signal.aborted) return;
    done.push(fault);
    if (kind !== 'kill' && kind !== 'stop')
      return hostileClients[kind]({ url: system.url, random, ledger, signal });
    const problem = await disturbProcess(kind, system, random, signal);
    if (problem === null) return;
    unrecovered.push(problem);
    onEvent(problem);
  };
  const running = plan.map(async (fault) => {
    await delay(Math.max(0, fault.at * 1_000 - (performance.now() - started)), undefined, { signal });
    if (fault.kind !== 'kill' && fault.kind !== 'stop') return begin(fault);
    processes = processes.then(() => begin(fault));
    return processes;
  });
  const broken = (await Promise.allSettled(running)).find(
    (result) => result.status === 'rejected' && !signal.aborted,
  );
  if (broken?.status === 'rejected') throw broken.reason;
  return { done, unrecovered };
}

/** Looks until nothing is left over, but not for ever; returns what there is then. */
async function settle(system: LocalSystem, before: Census, signal: AbortSignal): Promise<Census> {
  await delay(QUIET_MS, undefined, { signal });
  const deadline = performance.now() + SETTLE_TIMEOUT_MS;
  for (;;) {
    const census = await takeCensus(system);
    if (leftovers(before, census).length === 0 || performance.now() > deadline) return census;
    await delay(LOOK_MS, undefined, { signal });
  }
}
