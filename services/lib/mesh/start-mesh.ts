import type { MeshConfig } from '../config/mesh-config.js';
import { DaprMesh } from './dapr-mesh.js';
import { DirectMesh } from './direct-mesh.js';
import type { Mesh } from './types.js';

/** The mesh that the configuration names, ready to use. Throws `sidecar_missing`. */
export function startMesh(config: MeshConfig, signal: AbortSignal): Promise<Mesh> {
  return config.kind === 'dapr' ? DaprMesh.start(config, signal) : Promise.resolve(new DirectMesh(config));
}
