import { setTimeout as delay } from 'node:timers/promises';

/** Looks until `condition` gives something truthy; fails with `what` after `timeoutMs`. */
export async function eventually<Value>(
  what: string,
  condition: () => Value | Promise<Value>,
  timeoutMs = 10_000,
): Promise<NonNullable<Value>> {
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    const value = await condition();
    if (value) return value;
    if (performance.now() > deadline) throw new Error(`not within ${timeoutMs} ms: ${what}`);
    await delay(10);
  }
}
