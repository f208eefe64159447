import { setTimeout as delay } from 'node:timers/promises';
import { ServingError } from '../lib/errors/serving-error.js';
import type { Announcement, Registry, ReplicaRecord } from '../lib/mesh/types.js';
import type { Logger } from '../lib/telemetry/log.js';

const RETRY_MS = 2_000;

/**
 * Says in the registry which plan this gateway serves: a stage that starts looks whether anybody would call it. Nobody
 * calls a gateway by its entry, so a registry that fails is tried again beside everything else. Returns what takes the
 * entry away.
 */
export function announceGateway(
  registry: Pick<Registry, 'announce'>,
  record: ReplicaRecord,
  log: Pick<Logger, 'warn'>,
  retryMs = RETRY_MS,
): () => Promise<void> {
  const stop = new AbortController();
  const { signal } = stop;
  const trouble = (reason: unknown): void =>
    log.warn({ reason: ServingError.from(reason).message }, 'announcement not renewed');
  const announce = async (): Promise<Announcement | null> => {
    while (!signal.aborted) {
      try {
        return await registry.announce(record, trouble);
      } catch (reason) {
        trouble(reason);
        await delay(retryMs, undefined, { signal, ref: false }).catch(() => undefined);
      }
    }
    return null;
  };
  const announced = announce();
  return async () => {
    stop.abort();
    await announced.then((announcement) => announcement?.withdraw()).catch(trouble);
  };
}
