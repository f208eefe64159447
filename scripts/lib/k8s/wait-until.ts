import { setTimeout as delay } from 'node:timers/promises';
import { ServingError } from '../../../services/lib/errors/serving-error.js';

export interface Patience {
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
  /** What stands in the way, for the error. */
  readonly details?: () => string | Promise<string>;
}

const LOOK_MS = 500;

/** Looks until `condition` gives something truthy, and returns it; throws `cluster_failed` when that takes too long. */
export async function waitUntil<Value>(
  what: string,
  condition: () => Value | Promise<Value>,
  { timeoutMs, signal, details }: Patience,
): Promise<NonNullable<Value>> {
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    const value = await condition();
    if (value) return value;
    if (performance.now() > deadline) {
      const more = details === undefined ? '' : `: ${await details()}`;
      throw new ServingError('cluster_failed', `not within ${timeoutMs / 1000} s: ${what}${more}`, {
        hint: 'kubectl get pods and describe pod say more; --keep leaves them there',
      });
    }
    await delay(LOOK_MS, undefined, { signal });
  }
}
