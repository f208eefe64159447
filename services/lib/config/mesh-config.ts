import type { Environment } from './env.js';
import type { Secret } from './secret.js';

/**
 * Tokens in the metadata of a link, by the name of their header: the one that Dapr names is between an app and its
 * own sidecar, the other between the services of one mesh, whatever lies between them.
 */
export type Tokens = Readonly<Partial<Record<'dapr-api-token' | 'layermesh-token', Secret>>>;

/** How this process reaches the others. */
export type MeshConfig = {
  /** What it shows with each link that it opens. */
  readonly shows: Tokens;
  /** What each link that is opened to it must show; nothing where no token is configured. */
  readonly wants: Tokens;
} & (
  | {
      readonly kind: 'dapr';
      readonly daprGrpcPort: number;
      readonly daprHttpPort: number;
      readonly storeName: string;
    }
  | { readonly kind: 'direct'; readonly registryDirectory: string }
);

const PORTS = [1, 65_535] as const;

export function readMeshConfig(environment: Environment): MeshConfig {
  const kind = environment.choice('LAYERMESH_MESH', ['dapr', 'direct'], 'dapr');
  const mesh = tokens('layermesh-token', environment.secret('LAYERMESH_MESH_TOKEN'));
  if (kind === 'direct') {
    return { kind, registryDirectory: environment.text('LAYERMESH_REGISTRY_DIR'), shows: mesh, wants: mesh };
  }
  return {
    kind,
    daprGrpcPort: environment.integer('DAPR_GRPC_PORT', 50_001, PORTS),
    daprHttpPort: environment.integer('DAPR_HTTP_PORT', 3_500, PORTS),
    storeName: environment.text('LAYERMESH_STATE_STORE', 'statestore'),
    shows: { ...mesh, ...tokens('dapr-api-token', environment.secret('DAPR_API_TOKEN')) },
    wants: { ...mesh, ...tokens('dapr-api-token', environment.secret('APP_API_TOKEN')) },
  };
}

const tokens = (name: keyof Tokens, token: Secret | null): Tokens =>
  token === null ? {} : { [name]: token };
