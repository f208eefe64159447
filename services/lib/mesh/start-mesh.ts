import type { MeshConfig } from '../config/config.js';
import type { ServingError } from '../errors/serving-error.js';
import { DirectMesh } from './direct-mesh.js';
import type { Mesh, SharedState } from './types.js';

/** The mesh that the configuration names, ready to use. Waits for the sidecar; `onTrouble` hears when that takes long. */
export async function startMesh(
  config: MeshConfig,
  signal: AbortSignal,
  onTrouble?: (reason: ServingError) => void,
): Promise<Mesh & SharedState> {
  if (config.kind === 'direct') return new DirectMesh(config);
  // Loading Dapr's library is a quarter of what a service takes to start.
  const { DaprMesh } = await import('./dapr-mesh.js');
  return DaprMesh.start(config, signal, onTrouble);
}
