import { randomBytes } from 'node:crypto';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Topology } from '../../../services/gateway/generation/backend.js';
import { ServingError } from '../../../services/lib/errors/serving-error.js';
import { GatewayClient } from '../local/gateway-client.js';
import { repositoryRoot } from '../repository.js';
import { expectSoon, forwardGateway, Kubectl, type PortForward } from './kubectl.js';
import { appIdOf, isReady, SERVICES, staying, type Deployment, type Pod } from './objects.js';
import { troublesOf } from './doctor/troubles.js';
import { INSECURE, writeOverlay } from './overlay.js';
import type { RenderOptions } from './render-options.js';

/** The Secrets of k8s/components/tokens. */
export const TOKEN_SECRETS = ['dapr-api-token', 'dapr-app-token', 'layermesh-mesh-token'] as const;

/** On namespaces that were made to be removed again; no other is ever removed. */
export const DISPOSABLE = 'layermesh.io/disposable';

const APPLY_MS = 60_000;
const TOKEN_BYTES = 32;

/**
 * Applies an overlay with a namespace that is there for it alone, into which go first the Secrets that its pods want. The mark by
 * which it is known later comes before all of them: whatever fails after it, the namespace can be removed again.
 */
export async function applyOverlay(
  kubectl: Pick<Kubectl, 'run' | 'namespace'>,
  folder: string,
): Promise<void> {
  await kubectl.run(['apply', '--filename', join(folder, 'namespace.yaml')]);
  await kubectl.run(['label', 'namespace', kubectl.namespace, `${DISPOSABLE}=true`, '--overwrite']);
  await makeTokens(kubectl);
  await kubectl.run(['apply', '--kustomize', folder], { timeoutMs: APPLY_MS });
}

/** Throws `cluster_failed` where a pod of the namespace cannot start whatever time it has, such as for an image that is nowhere. */
export async function requireStartable(kubectl: Pick<Kubectl, 'list'>): Promise<void> {
  for (const pod of await kubectl.list<Pod>('pods')) {
    const trouble = troublesOf(pod).find(({ lasts }) => lasts);
    if (trouble === undefined) continue;
    throw new ServingError('cluster_failed', `${pod.metadata.name} cannot start: ${trouble.fix}`);
  }
}

/** Those that are missing, at random; what is there stays, for pods that run have read it. */
async function makeTokens(kubectl: Pick<Kubectl, 'run'>): Promise<void> {
  const names = await kubectl.run(['get', 'secrets', '--output', 'name']);
  const there = new Set(names.split('\n').map((line) => line.trim().replace('secret/', '')));
  for (const name of TOKEN_SECRETS) {
    if (there.has(name)) continue;
    const stringData = { token: randomBytes(TOKEN_BYTES).toString('hex') };
    const secret = { apiVersion: 'v1', kind: 'Secret', metadata: { name }, stringData };
    // Not as an argument, which others on this machine could read.
    await kubectl.run(['create', '--filename', '-'], { input: JSON.stringify(secret) });
  }
}

const REMOVE_TIMEOUT_MS = 180_000;

/** False where there is no such namespace. Throws `cluster_failed` for one that somebody else has made. */
async function isDisposable(kubectl: Kubectl): Promise<boolean> {
  const all = await kubectl.list('namespaces');
  const found = all.find(({ metadata }) => metadata.name === kubectl.namespace);
  if (found === undefined) return false;
  if (found.metadata.labels?.[DISPOSABLE] === 'true') return true;
  const problem = `the namespace ${kubectl.namespace} was not made by this command`;
  throw new ServingError('cluster_failed', problem, {
    hint: 'name another with --namespace, or remove it yourself',
  });
}

/**
 * Removes a namespace and everything in it, also when the command was told to stop; pods have time to end what they run, or none.
 * Throws as `isDisposable` does.
 */
export async function removeDisposable(
  namespace: string,
  pods: 'in peace' | 'at once' = 'in peace',
): Promise<void> {
  const kubectl = new Kubectl(namespace);
  if (!(await isDisposable(kubectl))) return;
  if (pods === 'at once') {
    // What would make them anew goes first.
    await kubectl.run(['delete', 'deployments', '--all', '--cascade=orphan']);
    await kubectl.run(['delete', 'replicasets', '--all', '--cascade=orphan']);
    await kubectl.run(['delete', 'pods', '--all', '--grace-period=0', '--force']);
  }
  await kubectl.run(['delete', 'namespace', namespace, '--ignore-not-found', '--wait'], {
    timeoutMs: REMOVE_TIMEOUT_MS,
  });
}

const READY_TIMEOUT_MS = 300_000;

type RoutedReplica = Topology['stages'][number]['replicas'][number];

/** A mesh in a namespace of its own, from the manifests that `npm run k8s:render` writes. */
export class DeployedMesh {
  readonly kubectl: Kubectl;
  readonly #signal: AbortSignal;
  #forward: PortForward | null = null;

  private constructor(kubectl: Kubectl, signal: AbortSignal) {
    this.kubectl = kubectl;
    this.#signal = signal;
  }

  /** Applies the manifests, anew or as a change, and waits until every pod is ready and a request can be served. */
  static async deploy(options: RenderOptions, signal: AbortSignal): Promise<DeployedMesh> {
    const kubectl = new Kubectl(options.namespace, signal);
    await isDisposable(kubectl);
    await apply(kubectl, options);
    const mesh = new DeployedMesh(kubectl, signal);
    await mesh.#untilReady();
    mesh.#forward = await forwardGateway(options.namespace);
    return mesh;
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

  /** Those that stay, of one app-id or of all. */
  async pods(appId?: string): Promise<Pod[]> {
    const pods = staying(await this.kubectl.list<Pod>('pods', SERVICES));
    return appId === undefined ? pods : pods.filter((pod) => appIdOf(pod) === appId);
  }

  /** How many replicas each stage should have now, by what its Deployment says. */
  async replicas(): Promise<Map<string, number>> {
    const deployments = await this.kubectl.list<Deployment>('deployments', SERVICES);
    return new Map(deployments.map(({ metadata, spec }) => [metadata.name, spec.replicas ?? 1]));
  }

  /** The replicas of a stage that the gateway knows. */
  async routed(appId: string): Promise<readonly RoutedReplica[]> {
    const { stages } = await this.gateway.topology();
    return stages.find(({ app_id }) => app_id === appId)?.replicas ?? [];
  }

  /** Waits until the gateway routes to so many replicas of a stage. */
  async untilRouted(appId: string, count: number): Promise<void> {
    const ready = async (): Promise<number> =>
      (await this.routed(appId)).filter(({ state }) => state === 'ready').length;
    const what = `${count} replicas of ${appId} in the topology`;
    await this.until(
      what,
      async () => (await ready()) === count,
      READY_TIMEOUT_MS,
      async () => {
        return `there are ${await ready()}`;
      },
    );
  }

  /** As `expectSoon`, for as long as the command runs. */
  async until(
    what: string,
    condition: () => Promise<boolean>,
    limit: number,
    details?: () => Promise<string>,
  ): Promise<void> {
    await expectSoon(what, condition, { limit, signal: this.#signal, ...(details && { details }) });
  }

  async scale(appId: string, count: number): Promise<void> {
    await this.kubectl.run(['scale', `deployment/${appId}`, `--replicas=${count}`]);
  }

  /** What the gateway's port leads to is gone for good; the mesh itself stays. */
  async close(): Promise<void> {
    await this.#forward?.close();
    this.#forward = null;
  }

  async #untilReady(): Promise<void> {
    const unready = async (): Promise<string[]> => {
      const wanted = [...(await this.replicas()).values()].reduce((sum, count) => sum + count, 0);
      const pods = await this.pods();
      const missing = pods.length < wanted ? [`${wanted - pods.length} not created`] : [];
      return [...pods.filter((pod) => !isReady(pod)).map(({ metadata }) => metadata.name), ...missing];
    };
    const isDone = async (): Promise<boolean> => (await unready()).length === 0;
    await expectSoon('every pod ready', isDone, {
      limit: READY_TIMEOUT_MS,
      signal: this.#signal,
      details: async () => (await unready()).join(', '),
      inVain: () => requireStartable(this.kubectl),
    });
  }
}

/** From a folder of the repository's own tree: Kustomize follows relative paths only. */
async function apply(kubectl: Kubectl, options: RenderOptions): Promise<void> {
  const cache = join(repositoryRoot, 'node_modules', '.cache');
  await mkdir(cache, { recursive: true });
  const folder = await mkdtemp(join(cache, 'overlay-'));
  try {
    // Reached through kubectl alone, and gone when it has been tried.
    await writeOverlay(folder, { ...options, env: [...options.env, INSECURE] });
    await applyOverlay(kubectl, folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
