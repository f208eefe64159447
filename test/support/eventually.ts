import { setTimeout as delay } from 'node:timers/promises';

/** Between two looks, ms: what takes long anyway may be seen a little later, and looks cost whoever is asked. */
const AT_FIRST = { ms: 10, until: 1_000 };
const LATER_MS = 50;

/** Looks until `condition` gives something truthy; fails with `what` after `timeoutMs`. */
export async function eventually<Value>(
  what: string,
  condition: () => Value | Promise<Value>,
  timeoutMs = 10_000,
): Promise<NonNullable<Value>> {
  const started = performance.now();
  for (;;) {
    const value = await condition();
    if (value) return value;
    const waited = performance.now() - started;
    if (waited > timeoutMs) throw new Error(`not within ${timeoutMs} ms: ${what}`);
    await delay(waited < AT_FIRST.until ? AT_FIRST.ms : LATER_MS);
  }
}
