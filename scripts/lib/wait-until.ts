import { setTimeout as delay } from 'node:timers/promises';

export interface Patience {
  /** Between two looks, milliseconds. */
  readonly every: number;
  /** After which it is looked no more, milliseconds; left out: never. */
  readonly limit?: number;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Looks until `condition` gives something truthy, and returns it: at once, then again and again. Null when it gives none
 * within the limit. Rejects when the condition does, or when the signal aborts.
 */
export async function waitUntil<Value>(
  condition: () => Value | Promise<Value>,
  { every, limit = Infinity, signal }: Patience,
): Promise<NonNullable<Value> | null> {
  const deadline = performance.now() + limit;
  for (;;) {
    const value = await condition();
    if (value) return value;
    if (performance.now() > deadline) return null;
    await delay(every, undefined, { signal });
  }
}

/** What was told to stop may take so long for it. */
const GRACE_MS = 5_000;

/**
 * Does some work with a signal that also aborts, for that reason, when `ms` are over. By a timer that is held: a timeout
 * signal inside another may be collected before it fires. Work that does not stop when it is told to is waited for no
 * longer: now and then a request that was aborted never ends.
 */
export async function within<Result>(
  ms: number,
  signal: AbortSignal,
  work: (limit: AbortSignal) => Promise<Result>,
  reason = new Error(`not within ${ms / 1000} s`),
  graceMs = GRACE_MS,
): Promise<Result> {
  const late = new AbortController();
  const limit = AbortSignal.any([signal, late.signal]);
  const timers = [setTimeout(() => late.abort(reason), ms)];
  const over = new AbortController();
  const stuck = new Promise<never>((_, reject) => {
    const giveUp = (): void => {
      timers.push(setTimeout(() => reject(limit.reason as Error), graceMs));
    };
    limit.addEventListener('abort', giveUp, { once: true, signal: over.signal });
    if (limit.aborted) giveUp();
  });
  try {
    return await Promise.race([work(limit), stuck]);
  } catch (error) {
    throw late.signal.aborted ? reason : error;
  } finally {
    over.abort();
    timers.forEach(clearTimeout);
  }
}
