import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { GatewayClient } from '../gateway-client.js';
import { repositoryRoot } from '../repository.js';
import { applyOverlay } from './apply-overlay.js';
import { DISPOSABLE, isDisposable } from './disposable.js';
import { isReady, SERVICES, staying, type Pod } from './doctor/pod.js';
import { Kubectl } from './kubectl.js';
import type { Deployment } from './manifest.js';
import { portForward, type PortForward } from './port-forward.js';
import type { RenderOptions } from './render-options.js';
import { waitUntil } from './wait-until.js';
import { writeOverlay } from './write-overlay.js';

const GATEWAY_PORT = 8_000;
const READY_TIMEOUT_MS = 300_000;

/** A mesh in a namespace of its own, from the manifests that `npm run k8s:render` writes. */
export class DeployedMesh {
  readonly kubectl: Kubectl;
  readonly #signal: AbortSignal;
  #forward: PortForward | null = null;

  private constructor(kubectl: Kubectl, signal: AbortSignal) {
    this.kubectl = kubectl;
    this.#signal = signal;
  }

  get namespace(): string {
    return this.kubectl.namespace;
  }

  /** Through kubectl, to one gateway. */
  get url(): string {
    return this.#forward!.url;
  }

  get gateway(): GatewayClient {
    return new GatewayClient(this.url);
  }

  /** Applies the manifests, anew or as a change, and waits until every pod is ready and a request can be served. */
  static async deploy(options: RenderOptions, signal: AbortSignal): Promise<DeployedMesh> {
    const kubectl = new Kubectl(options.namespace, signal);
    await isDisposable(kubectl);
    await apply(kubectl, options);
    await kubectl.run(['label', 'namespace', options.namespace, `${DISPOSABLE}=true`, '--overwrite']);
    const mesh = new DeployedMesh(kubectl, signal);
    await mesh.#waitUntilReady();
    mesh.#forward = await portForward(options.namespace, 'service/gateway', GATEWAY_PORT);
    return mesh;
  }

  /** Those that stay, of one app-id or of all. */
  async pods(appId?: string): Promise<Pod[]> {
    const pods = staying(await this.kubectl.list<Pod>('pods', SERVICES));
    return appId === undefined
      ? pods
      : pods.filter(({ metadata }) => metadata.annotations?.['dapr.io/app-id'] === appId);
  }

  /** How many replicas each stage should have now, by what its Deployment says. */
  async replicas(): Promise<Map<string, number>> {
    const deployments = await this.kubectl.list<Deployment>('deployments', SERVICES);
    return new Map(deployments.map(({ metadata, spec }) => [metadata.name, spec.replicas ?? 1]));
  }

  /** Waits until the gateway routes to so many replicas of a stage. */
  async waitForReplicas(appId: string, count: number, timeoutMs = READY_TIMEOUT_MS): Promise<void> {
    const routed = async (): Promise<number> => {
      const { stages } = await this.gateway.topology();
      const { replicas = [] } = stages.find(({ app_id }) => app_id === appId) ?? {};
      return replicas.filter(({ state }) => state === 'ready').length;
    };
    await waitUntil(`${count} replicas of ${appId} in the topology`, async () => (await routed()) === count, {
      timeoutMs,
      signal: this.#signal,
      details: async () => `there are ${await routed()}`,
    });
  }

  async scale(appId: string, count: number): Promise<void> {
    await this.kubectl.run(['scale', `deployment/${appId}`, `--replicas=${count}`]);
  }

  /** What the gateway's port leads to is gone for good; the mesh itself stays. */
  async close(): Promise<void> {
    await this.#forward?.close();
    this.#forward = null;
  }

  async #waitUntilReady(): Promise<void> {
    const unready = async (): Promise<string[]> => {
      const wanted = [...(await this.replicas()).values()].reduce((sum, count) => sum + count, 0);
      const pods = await this.pods();
      const missing = pods.length < wanted ? [`${wanted - pods.length} not created`] : [];
      return [...pods.filter((pod) => !isReady(pod)).map(({ metadata }) => metadata.name), ...missing];
    };
    await waitUntil('every pod ready', async () => (await unready()).length === 0, {
      timeoutMs: READY_TIMEOUT_MS,
      signal: this.#signal,
      details: async () => (await unready()).join(', '),
    });
  }
}

/** From a folder of the repository's own tree: Kustomize follows relative paths only. */
async function apply(kubectl: Kubectl, options: RenderOptions): Promise<void> {
  const cache = join(repositoryRoot, 'node_modules', '.cache');
  await mkdir(cache, { recursive: true });
  const folder = await mkdtemp(join(cache, 'overlay-'));
  try {
    await writeOverlay(folder, options);
    await applyOverlay(kubectl, folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
