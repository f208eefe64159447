import { ServingError } from '../../../../services/lib/errors/serving-error.js';
import type { Cluster } from '../kubectl.js';
import { finding, type Finding } from './finding.js';
import { appIdOf, isReady, SERVICES, sidecarOf, staying, type Pod } from './pod.js';

/** Where a sidecar answers from outside its pod: health and metadata, nothing else. */
const PUBLIC_PORT = 3501;

interface Metadata {
  readonly id: string;
  readonly runtimeVersion?: string;
  readonly components?: readonly { readonly name: string }[];
  readonly resiliencies?: readonly { readonly name: string }[];
}

/** Whether every pod of the mesh has a sidecar that is ready and has loaded what the mesh stands on. */
export async function checkSidecars(cluster: Cluster, namespace: string): Promise<Finding[]> {
  const pods = staying(await cluster.list<Pod>('pods', SERVICES));
  if (pods.length === 0) {
    return [finding(`pods in ${namespace}`, false, 'there are none: kubectl apply -k k8s/overlays/local')];
  }
  return (await Promise.all(pods.map((pod) => checkPod(cluster, namespace, pod)))).flat();
}

async function checkPod(cluster: Cluster, namespace: string, pod: Pod): Promise<Finding[]> {
  const { name } = pod.metadata;
  const sidecar = sidecarOf(pod);
  const injected = finding(
    `${name}: the sidecar is injected`,
    sidecar !== undefined,
    "is Dapr's injector running (kubectl -n dapr-system get pods), and does it serve this namespace? Then delete the pod",
  );
  if (sidecar === undefined) return [injected];
  const ready = finding(
    `${name}: the sidecar is ready`,
    sidecar.ready,
    `kubectl -n ${namespace} logs ${name} -c daprd`,
  );
  const running = finding(
    `${name}: the service is ready`,
    isReady(pod),
    `kubectl -n ${namespace} describe pod ${name}, and logs ${name}`,
  );
  return [injected, ready, running, ...(sidecar.ready ? await checkMetadata(cluster, namespace, pod) : [])];
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
