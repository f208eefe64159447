import type { MeshConfig } from '../config/config.js';
import type { ServingError } from '../errors/serving-error.js';
import { DaprMesh } from './dapr-mesh.js';
import { DirectMesh } from './direct-mesh.js';
import type { Mesh, SharedState } from './types.js';

/** The mesh that the configuration names, ready to use. Waits for the sidecar; `onTrouble` hears when that takes long. */
export function startMesh(
  config: MeshConfig,
  signal: AbortSignal,
  onTrouble?: (reason: ServingError) => void,
): Promise<Mesh & SharedState> {
  if (config.kind === 'direct') return Promise.resolve(new DirectMesh(config));
  return DaprMesh.start(config, signal, onTrouble);
}
