import type { Environment } from './env.js';

/** How this process reaches the others. */
export type MeshConfig =
  | {
      readonly kind: 'dapr';
      readonly daprGrpcPort: number;
      readonly daprHttpPort: number;
      readonly storeName: string;
    }
  | { readonly kind: 'direct'; readonly registryDirectory: string };

const PORTS = [1, 65_535] as const;

export function readMeshConfig(environment: Environment): MeshConfig {
  const kind = environment.choice('LAYERMESH_MESH', ['dapr', 'direct'], 'dapr');
  if (kind === 'direct') return { kind, registryDirectory: environment.text('LAYERMESH_REGISTRY_DIR') };
  return {
    kind,
    daprGrpcPort: environment.integer('DAPR_GRPC_PORT', 50_001, PORTS),
    daprHttpPort: environment.integer('DAPR_HTTP_PORT', 3_500, PORTS),
    storeName: environment.text('LAYERMESH_STATE_STORE', 'statestore'),
  };
}
