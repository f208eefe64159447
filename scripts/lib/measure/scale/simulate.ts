import { measureStatus, type StatusFigures } from './measure-status.js';
import { simulateLinks, type LinkFigures } from './simulate-links.js';
import { simulateRegistry, type RegistryFigures } from './simulate-registry.js';
import type { StoreModel } from './simulated-store.js';
import { timeRouting, type RoutingFigures } from './time-routing.js';

/** All that is known of a mesh of so many replicas in each of its stages, without a process of it. */
export interface SimulatedSize {
  readonly replicas: number;
  readonly registry: RegistryFigures;
  readonly dapr: LinkFigures;
  readonly direct: LinkFigures;
  readonly status: StatusFigures;
  readonly routing: RoutingFigures;
}

/** Of the mesh that is simulated. */
export const STAGES = 4;

export async function simulate(replicas: number, store: StoreModel): Promise<SimulatedSize> {
  const size = { stages: STAGES, replicas };
  return {
    replicas,
    status: measureStatus(size),
    routing: timeRouting(size),
    registry: await simulateRegistry(replicas, store),
    dapr: await simulateLinks(replicas, 'any'),
    direct: await simulateLinks(replicas, 'asked'),
  };
}
