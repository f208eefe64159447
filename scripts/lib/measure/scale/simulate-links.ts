import { LinkManager } from '../../../../services/lib/mesh/link-manager.js';
import type { StatusFields } from '../../../../services/lib/mesh/callee-link.js';
import { createRandom } from '../../../../services/lib/sampling/random.js';
import { identityOf, SimulatedMesh, type SimulatedReplica } from './simulated-mesh.js';
import { VirtualTime } from './virtual-time.js';

/** How callers find all replicas of an app-id. */
export interface LinkFigures {
  /** Streams that a caller opened until it held a link to each, mean. */
  readonly opened: number;
  /** Until all callers were done, s; null where that took over ten minutes. */
  readonly seconds: number | null;
  /** The same for one replica that comes to them. */
  readonly newcomer: { readonly opened: number; readonly seconds: number | null };
}

const LIMIT_MS = 600_000;
const CALLERS = 2;
/** Of a stream through two sidecars of one machine, ms. */
const MODEL = { openMs: 5, hopMs: 1 };

const idle: StatusFields = {
  draining: false,
  sequences: 0,
  kvUsed: 0,
  kvCapacity: 1,
  busyRatio: 0,
  rssBytes: 0,
  nextReplicas: [],
  enginesAfter: [],
};

/** Callers with the services' own link manager, in a mesh that picks replicas as Dapr does, or as they are asked for. */
export async function simulateLinks(replicas: number, picks: 'any' | 'asked'): Promise<LinkFigures> {
  const time = new VirtualTime();
  try {
    const mesh = new SimulatedMesh(picks, { ...MODEL, random: createRandom(replicas) });
    for (let index = 0; index < replicas; index++) mesh.add(replicaOf(index));
    const nothing = (): void => undefined;
    const events = { onMessage: nothing, onDown: nothing };
    const managers = Array.from({ length: CALLERS }, (_, index) => {
      const identity = identityOf('gateway', String(index));
      return new LinkManager({ mesh, identity, appId: 'stage-0', ...events });
    });
    const untilAllHold = async (count: number) => {
      const [from, opened] = [time.now, mesh.opened];
      const done = (): boolean => managers.every(({ links }) => links.length === count);
      await time.until(from + LIMIT_MS, done);
      const seconds = done() ? (time.now - from) / 1_000 : null;
      return { opened: (mesh.opened - opened) / CALLERS, seconds };
    };
    const all = await untilAllHold(replicas);
    // Whoever is not found by then is asked for, so that the newcomer is the only one who is missing.
    mesh.picks = 'asked';
    await untilAllHold(replicas);
    mesh.picks = picks;
    mesh.add(replicaOf(replicas));
    return { ...all, newcomer: await untilAllHold(replicas + 1) };
  } finally {
    time.restore();
  }
}

const replicaOf = (index: number): SimulatedReplica => ({
  appId: 'stage-0',
  replica: index.toString(16).padStart(12, '0'),
  status: () => idle,
});
