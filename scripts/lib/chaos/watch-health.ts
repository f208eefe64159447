import { once } from 'node:events';
import { get, type IncomingMessage } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';

const PERIOD_MS = 100;
/** A liveness probe waits no longer. */
const TIMEOUT_MS = 5_000;

export interface Health {
  /** How long each answer took, milliseconds. */
  readonly times: readonly number[];
  /** How often none came in time. */
  readonly failures: number;
}

/** Asks for `/health` ten times a second, each time over a connection of its own as a probe does, until told to stop. */
export async function watchHealth(url: string, stop: AbortSignal): Promise<Health> {
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
