import { parseStageId } from '../../../../services/lib/config/app-id.js';
import { ServingError } from '../../../../services/lib/errors/serving-error.js';
import type { Cluster } from '../kubectl.js';
import {
  appIdOf,
  holds,
  isInjected,
  isReady,
  serviceOf,
  SERVICES,
  sidecarOf,
  statusesOf,
  staying,
  type Deployment,
  type LiveContainer,
  type Named,
  type Pod,
} from '../objects.js';
import { finding, type Finding } from './finding.js';
import { lastWarning, lastWords, troublesOf, type Trouble } from './troubles.js';

/** Where a sidecar answers from outside its pod: health and metadata, nothing else. */
const PUBLIC_PORT = 3501;

/** A pod that is younger may not be ready yet, and nothing is wrong. */
const START_MS = 120_000;

interface Metadata {
  readonly id: string;
  readonly components?: readonly { readonly name: string }[];
  readonly resiliencies?: readonly { readonly name: string }[];
}

interface Event extends Named {
  readonly type: string;
  readonly message?: string;
  readonly lastTimestamp?: string | null;
  readonly eventTime?: string | null;
  readonly involvedObject: { readonly name: string };
}

/**
 * Whether every pod of the mesh is there, serves what the others serve, and has a sidecar that is ready and has loaded
 * what the mesh stands on.
 */
export async function checkPods(cluster: Cluster, namespace: string): Promise<Finding[]> {
  const pods = staying(await cluster.list<Pod>('pods', SERVICES));
  const deployments = await cluster.list<Deployment>('deployments', SERVICES);
  if (pods.length === 0 && deployments.length === 0) {
    return [finding(`pods in ${namespace}`, false, 'there are none: kubectl apply -k k8s/overlays/local')];
  }
  const found = await Promise.all(pods.map((pod) => checkPod(cluster, namespace, pod)));
  return [
    ...deployments.map((each) => checkDeployment(namespace, each, pods)),
    ...(await checkPlans(cluster, pods)),
    ...found.flat(),
  ];
}

/** A pod that a quota or Pod Security has refused is in no list of pods. */
function checkDeployment(
  namespace: string,
  { metadata, spec, status }: Deployment,
  pods: readonly Pod[],
): Finding {
  const app = spec.template.metadata?.annotations?.['dapr.io/app-id'];
  const wanted = spec.replicas ?? 1;
  const own = pods.filter((pod) => appIdOf(pod) === app).length;
  const refusal = holds(status?.conditions, 'ReplicaFailure');
  return finding(
    `${metadata.name}: ${own} of ${wanted} pods are there`,
    own >= wanted,
    refusal?.message ?? `kubectl -n ${namespace} describe replicasets says what refused them`,
  );
}

async function checkPod(cluster: Cluster, namespace: string, pod: Pod): Promise<Finding[]> {
  const { name } = pod.metadata;
  const injected = finding(
    `${name}: the sidecar is injected`,
    isInjected(pod),
    "is Dapr's injector running (kubectl -n dapr-system get pods), and does it serve this namespace? Then delete the pod",
  );
  const troubles = await Promise.all(
    troublesOf(pod).map((trouble) => troubleFinding(cluster, namespace, name, trouble)),
  );
  if (troubles.length > 0 || !isInjected(pod)) return [injected, ...troubles];
  if (!isReady(pod)) return [injected, await checkStart(cluster, namespace, pod)];
  const running = finding(`${name}: sidecar and service are ready`, true, '');
  return [injected, running, ...(await checkMetadata(cluster, namespace, pod))];
}

async function troubleFinding(
  cluster: Cluster,
  namespace: string,
  pod: string,
  { what, fix, ended }: Trouble,
): Promise<Finding> {
  const words = ended && (await lastWords(cluster, { namespace, pod, container: ended }));
  return finding(`${pod}: ${what}`, false, words ? `${fix}; it said last: ${words}` : fix);
}

/** All of its containers run or are being made, and it is not ready. */
async function checkStart(cluster: Cluster, namespace: string, pod: Pod): Promise<Finding> {
  const { name, creationTimestamp } = pod.metadata;
  const sidecar = sidecarOf(pod);
  const part = sidecar?.ready === true ? 'service' : 'sidecar';
  const container = part === 'service' ? serviceOf(pod).name : 'daprd';
  const runs = statusesOf(pod).find((each) => each.name === container)?.state?.running !== undefined;
  // A service that says why it is not ready does not start any more.
  const said = runs
    ? await lastWarning(cluster, { namespace, pod: name, container })
    : await lastEvent(cluster, name);
  const age = Date.now() - Date.parse(creationTimestamp);
  if (age < START_MS && !(part === 'service' && said?.startsWith('not ready'))) {
    return { what: `${name}: the ${part} is starting, for ${Math.round(age / 1000)} s`, fix: null };
  }
  const look = `kubectl -n ${namespace} describe pod ${name}, and logs ${name} -c ${container}`;
  return finding(`${name}: the ${part} is ready`, false, said ?? look);
}

/** What Kubernetes warned of last, such as a volume that cannot be mounted. */
async function lastEvent(cluster: Cluster, pod: string): Promise<string | null> {
  const events = await cluster.list<Event>('events').catch(() => []);
  const time = ({ lastTimestamp, eventTime }: Event): number => Date.parse(lastTimestamp ?? eventTime ?? '');
  const own = events.filter(({ type, involvedObject }) => type === 'Warning' && involvedObject.name === pod);
  return own.toSorted((a, b) => time(a) - time(b)).at(-1)?.message ?? null;
}

async function checkMetadata(cluster: Cluster, namespace: string, pod: Pod): Promise<Finding[]> {
  const { name } = pod.metadata;
  const path = `/api/v1/namespaces/${namespace}/pods/${name}:${PUBLIC_PORT}/proxy/v1.0/metadata`;
  try {
    const { id, components = [], resiliencies = [] } = JSON.parse(await cluster.raw(path)) as Metadata;
    return [
      finding(
        `${name}: the sidecar is that of ${appIdOf(pod)}`,
        id === appIdOf(pod),
        `it calls itself ${id}`,
      ),
      finding(
        `${name}: the component statestore is loaded`,
        components.some((component) => component.name === 'statestore'),
        'is it in this namespace, and do its scopes name the app-id? Sidecars read components when they start',
      ),
      finding(
        `${name}: resiliency is loaded`,
        resiliencies.some((each) => each.name === 'layermesh'),
        `kubectl -n ${namespace} get resiliencies layermesh, then restart the pod`,
      ),
    ];
  } catch (error) {
    return [
      finding(`${name}: the sidecar tells what it has loaded`, false, ServingError.from(error).message),
    ];
  }
}

/** What all services of a mesh must be told alike. */
const SHARED = ['LAYERMESH_SPLIT', 'LAYERMESH_PRECISION', 'LAYERMESH_ACTIVATIONS'] as const;

interface ConfigMap extends Named {
  readonly data?: Readonly<Record<string, string>>;
}

/** Whether all pods of a mesh are told the same split, precision and activations: those that differ can talk to nobody. */
async function checkPlans(cluster: Cluster, pods: readonly Pod[]): Promise<Finding[]> {
  const maps = new Map(
    (await cluster.list<ConfigMap>('configmaps')).map(({ metadata, data }) => [metadata.name, data ?? {}]),
  );
  const meshOf = (pod: Pod): string => parseStageId(appIdOf(pod))?.meshName ?? '';
  const meshes = [...new Set(pods.map(meshOf))].map((mesh) => pods.filter((pod) => meshOf(pod) === mesh));
  return meshes.flatMap((own) => SHARED.flatMap((name) => oddOnes(name, own, maps)));
}

/** Those of a mesh that are told another value than most of its services. */
function oddOnes(
  name: (typeof SHARED)[number],
  pods: readonly Pod[],
  maps: ReadonlyMap<string, Readonly<Record<string, string>>>,
): Finding[] {
  const groups = new Map<string | undefined, Pod[]>();
  for (const pod of pods) {
    const value = variable(serviceOf(pod), name, maps);
    groups.set(value, [...(groups.get(value) ?? []), pod]);
  }
  // Most services, not most pods: one stage may have many.
  const [usual, ...others] = [...groups].toSorted(([, a], [, b]) => services(b) - services(a));
  return others.flatMap(([value, odd]) =>
    odd.map((pod) => {
      const elsewhere = [...new Set(usual![1].map(appIdOf))].join(', ');
      return finding(
        `${pod.metadata.name}: ${name} is that of the others`,
        false,
        `it is ${shown(value)}, and ${shown(usual![0])} in ${elsewhere}: kubectl rollout undo deployment/${appIdOf(pod)}, or ` +
          'change all services at once (k8s/README.md, Another split)',
      );
    }),
  );
}

const services = (pods: readonly Pod[]): number => new Set(pods.map(appIdOf)).size;

const shown = (value: string | undefined): string => (value === undefined ? 'not set' : `"${value}"`);

function variable(
  { env = [], envFrom = [] }: LiveContainer,
  name: string,
  maps: ReadonlyMap<string, Readonly<Record<string, string>>>,
): string | undefined {
  const own = env.find((each) => each.name === name)?.value;
  // Of several sources the last one counts.
  const shared = envFrom.map(({ configMapRef }) => configMapRef && maps.get(configMapRef.name)?.[name]);
  return own ?? shared.findLast((value) => value !== undefined);
}
