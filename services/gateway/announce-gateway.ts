import type { Logger } from 'pino';
import { announcementTroubles } from '../lib/mesh/log-link-troubles.js';
import type { Registry, ReplicaRecord } from '../lib/mesh/types.js';

/**
 * Says in the registry which plan this gateway serves: a stage that starts looks whether anybody would call it. Nobody
 * calls a gateway by its entry, so a registry that fails is tried again beside everything else. Returns what takes the
 * entry away.
 */
export function announceGateway(
  registry: Pick<Registry, 'announce'>,
  record: ReplicaRecord,
  log: Pick<Logger, 'warn'>,
): () => Promise<void> {
  const stop = new AbortController();
  const onTrouble = announcementTroubles(log);
  const announced = registry.announce(record, { signal: stop.signal, onTrouble }).catch(() => null);
  return async () => {
    stop.abort();
    await announced.then((announcement) => announcement?.withdraw()).catch(onTrouble);
  };
}
