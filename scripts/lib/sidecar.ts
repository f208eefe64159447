import type { AppEntry } from './run-file.js';

/** Ports on 127.0.0.1. */
export interface SidecarPorts {
  readonly http: number;
  readonly grpc: number;
  readonly internalGrpc: number;
  readonly metrics: number;
  /** The app's, where the sidecar calls it. */
  readonly app: number | null;
}

const LOOPBACK = '127.0.0.1';

/** What the Dapr CLI would give to daprd for this app, and what a run file can not say. */
export function sidecarArguments(app: AppEntry, ports: SidecarPorts): string[] {
  const options: Record<string, string | number> = {
    'app-id': app.appId,
    'app-protocol': app.appProtocol,
    'app-channel-address': LOOPBACK,
    'dapr-http-port': ports.http,
    'dapr-grpc-port': ports.grpc,
    'dapr-internal-grpc-port': ports.internalGrpc,
    'metrics-port': ports.metrics,
    config: app.configPath,
    'max-body-size': app.maxBodySize,
    'log-level': app.logLevel,
    // The default is every interface of the machine; the internal address is also what name resolution tells.
    'dapr-listen-addresses': LOOPBACK,
    'dapr-internal-grpc-listen-address': LOOPBACK,
    'metrics-listen-address': LOOPBACK,
    // Streams are closed by the services before their sidecars stop, so there is nothing to wait for.
    'dapr-graceful-shutdown-seconds': 1,
    // Endpoints of the app that the sidecar would ask at its start; Layermesh's services have neither.
    'disable-init-endpoints': 'config,subscribe',
  };
  if (ports.app !== null) options['app-port'] = ports.app;
  return [
    ...Object.entries(options).map(([name, value]) => `--${name}=${value}`),
    ...app.resourcesPaths.map((path) => `--resources-path=${path}`),
    '--log-as-json',
  ];
}
