import { setTimeout as delay } from 'node:timers/promises';
import type { Deployed, Observation } from './types.js';

const PERIOD_MS = 1_000;
const TIMEOUT_MS = 5_000;

export interface Sampling {
  /** Everything that was seen, once it has been stopped. */
  readonly observations: Promise<Observation[]>;
  /** Makes it look once more, and no more after that. */
  stop(): void;
}

/** Looks at a system every second. What can not be seen in one second is seen in another: a failure leaves a gap. */
export function startSampling(deployed: Pick<Deployed, 'observe'>, signal: AbortSignal): Sampling {
  const stopped = new AbortController();
  const observations: Observation[] = [];
  const look = async (): Promise<void> => {
    // By a timer that is held: a timeout signal inside another may be collected before it fires.
    const late = new AbortController();
    const timer = setTimeout(() => late.abort(), TIMEOUT_MS);
    const seen = await deployed.observe(AbortSignal.any([signal, late.signal])).catch(() => null);
    clearTimeout(timer);
    if (seen !== null) observations.push(seen);
  };
  const pause = (ms: number): Promise<boolean> =>
    delay(ms, true, { signal: AbortSignal.any([signal, stopped.signal]) }).catch(() => false);
  const looking = (async () => {
    let due = performance.now();
    do {
      await look();
      due = Math.max(due + PERIOD_MS, performance.now());
    } while (await pause(due - performance.now()));
    await look();
    return observations;
  })();
  return { observations: looking, stop: () => stopped.abort() };
}
