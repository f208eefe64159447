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

/**
 * Does some work with a signal that also aborts, for that reason, when `ms` are over. By a timer that is held: a timeout
 * signal inside another may be collected before it fires.
 */
export async function within<Result>(
  ms: number,
  signal: AbortSignal,
  work: (limit: AbortSignal) => Promise<Result>,
  reason = new Error(`not within ${ms / 1000} s`),
): Promise<Result> {
  const late = new AbortController();
  const timer = setTimeout(() => late.abort(reason), ms);
  try {
    return await work(AbortSignal.any([signal, late.signal]));
  } catch (error) {
    throw late.signal.aborted ? reason : error;
  } finally {
    clearTimeout(timer);
  }
}
