/** What is read of Kubernetes objects, by name and place; the rest is for the cluster to know. */

export interface Named {
  readonly metadata: {
    readonly name: string;
    readonly namespace?: string;
    readonly labels?: Readonly<Record<string, string>>;
    readonly annotations?: Readonly<Record<string, string>>;
  };
}

/** As it is written down. */
export interface Manifest extends Named {
  readonly apiVersion: string;
  readonly kind: string;
}

interface Container {
  readonly name: string;
  readonly image: string;
  readonly env?: readonly {
    readonly name: string;
    readonly value?: string;
    readonly valueFrom?: {
      readonly fieldRef?: { readonly fieldPath: string };
      readonly secretKeyRef?: { readonly name: string; readonly key: string };
    };
  }[];
  readonly envFrom?: readonly { readonly configMapRef: { readonly name: string } }[];
  readonly ports?: readonly { readonly name: string; readonly containerPort: number }[];
  readonly volumeMounts?: readonly Readonly<Record<string, unknown>>[];
  readonly startupProbe?: Probe;
  readonly readinessProbe?: Probe;
  readonly livenessProbe?: Probe;
  readonly lifecycle?: { readonly preStop?: { readonly sleep?: { readonly seconds: number } } };
  readonly resources: Readonly<Record<'requests' | 'limits', Readonly<Record<'cpu' | 'memory', string>>>>;
  readonly securityContext?: {
    readonly allowPrivilegeEscalation?: boolean;
    readonly readOnlyRootFilesystem?: boolean;
    readonly capabilities?: { readonly drop?: readonly string[]; readonly add?: readonly string[] };
  };
}

interface Probe {
  readonly httpGet?: { readonly path: string; readonly port: string };
  readonly tcpSocket?: { readonly port: string };
  readonly periodSeconds: number;
  readonly failureThreshold: number;
}

export interface PodTemplate {
  readonly metadata?: Omit<Named['metadata'], 'name'>;
  readonly spec: {
    readonly serviceAccountName?: string;
    readonly automountServiceAccountToken?: boolean;
    readonly enableServiceLinks?: boolean;
    readonly terminationGracePeriodSeconds?: number;
    readonly securityContext?: {
      readonly runAsNonRoot?: boolean;
      readonly runAsUser?: number;
      readonly seccompProfile?: { readonly type: string };
    };
    readonly containers: readonly Container[];
    readonly volumes?: readonly Readonly<Record<string, unknown>>[];
  };
}

export interface Deployment extends Manifest {
  readonly spec: {
    readonly replicas?: number;
    readonly selector: { readonly matchLabels: Readonly<Record<string, string>> };
    readonly template: PodTemplate;
  };
  readonly status?: { readonly readyReplicas?: number; readonly conditions?: readonly Condition[] };
}

export interface Autoscaler extends Manifest {
  readonly spec: {
    readonly scaleTargetRef: { readonly kind: string; readonly name: string };
    readonly minReplicas: number;
    readonly maxReplicas: number;
    readonly metrics: readonly {
      readonly type: string;
      /** Of the type `Pods`. */
      readonly pods?: { readonly metric: MetricName; readonly target: MetricTarget };
      /** Of the type `Object`. */
      readonly object?: {
        readonly metric: MetricName;
        readonly target: MetricTarget;
        readonly describedObject: { readonly kind: string; readonly name: string };
      };
    }[];
    readonly behavior: Readonly<
      Record<'scaleUp' | 'scaleDown', { readonly stabilizationWindowSeconds: number }>
    >;
  };
  readonly status?: { readonly conditions?: readonly Condition[] };
}

interface MetricName {
  readonly name: string;
}

interface MetricTarget {
  readonly averageValue: string;
}

/** What an autoscaler keeps at a target: the mean of its pods' values, or one value over the number of its replicas. */
export interface ScalingMetric {
  readonly name: string;
  readonly target: number;
  /** Below the namespace: `pods/*` or `deployments.apps/stage-1`, and its name. */
  readonly path: string;
}

export const isOfPods = ({ path }: Pick<ScalingMetric, 'path'>): boolean => path.startsWith('pods/');

type Scaled = { readonly spec: Pick<Autoscaler['spec'], 'metrics'> };

/** The metrics of an autoscaler that the custom metrics API has; others, as KEDA's, it has from elsewhere. */
export const scalingMetrics = ({ spec }: Scaled): ScalingMetric[] =>
  spec.metrics.flatMap(({ pods, object }) => {
    const found = pods ?? object;
    if (found === undefined) return [];
    const { name } = found.metric;
    const subject = object === undefined ? 'pods/*' : `deployments.apps/${object.describedObject.name}`;
    return [{ name, target: quantity(found.target.averageValue), path: `${subject}/${name}` }];
  });

/** What the API server tells an autoscaler of a metric: a value for each pod, or that of the one Deployment. */
export interface MetricList {
  readonly items: readonly { readonly describedObject: { readonly name: string }; readonly value: string }[];
}

/** Where a `MetricList` is had; it is not found while the adapter does not know the metric. */
export const metricPath = (namespace: string, path: string): string =>
  `/apis/custom.metrics.k8s.io/v1beta2/namespaces/${namespace}/${path}`;

/** `700m` is 0.7, `2` is 2: what Kubernetes calls a quantity, as far as metrics and CPUs use it. */
export function quantity(text: string): number {
  const [, digits = '', unit = ''] = /^(-?[\d.]+)(n|u|m|k|M|G)?$/.exec(text) ?? [];
  // Read as one number, which multiplying would round.
  const exponent = { n: 'e-9', u: 'e-6', m: 'e-3', k: 'e3', M: 'e6', G: 'e9' }[unit] ?? '';
  return digits === '' ? NaN : Number(`${digits}${exponent}`);
}

/** What is read of a pod that runs, or should. */
export interface Pod extends Named {
  readonly metadata: Named['metadata'] & {
    readonly creationTimestamp: string;
    readonly deletionTimestamp?: string;
  };
  readonly spec: {
    readonly containers: readonly LiveContainer[];
    /** Native sidecars are among these. */
    readonly initContainers?: readonly LiveContainer[];
  };
  readonly status: {
    readonly phase?: string;
    readonly podIP?: string;
    readonly conditions?: readonly Condition[];
    readonly containerStatuses?: readonly ContainerStatus[];
    readonly initContainerStatuses?: readonly ContainerStatus[];
  };
}

/** One that may not be ours: the sidecar's is what the injector makes of it. */
export type LiveContainer = Pick<Container, 'name' | 'env'> & {
  readonly restartPolicy?: string;
  readonly resources?: { readonly limits?: { readonly cpu?: string; readonly memory?: string } };
  readonly envFrom?: readonly { readonly configMapRef?: { readonly name: string } }[];
};

interface Condition {
  readonly type: string;
  readonly status: string;
  readonly reason?: string;
  readonly message?: string;
  readonly lastTransitionTime?: string;
}

export interface ContainerStatus {
  readonly name: string;
  readonly image?: string;
  readonly ready: boolean;
  readonly restartCount: number;
  readonly state?: ContainerState;
  /** Before the last restart. */
  readonly lastState?: ContainerState;
}

interface ContainerState {
  readonly running?: { readonly startedAt: string };
  readonly waiting?: { readonly reason?: string; readonly message?: string };
  readonly terminated?: Ending;
}

/** How a container ended. */
export interface Ending {
  readonly exitCode: number;
  readonly reason?: string;
  readonly message?: string;
  readonly finishedAt?: string;
}

export const SERVICES = 'app.kubernetes.io/name=layermesh';
export const STAGES = `${SERVICES},app.kubernetes.io/component=stage`;

const SIDECAR = 'daprd';

/** Whether a condition is there and true. */
export const holds = (conditions: readonly Condition[] | undefined, type: string): Condition | undefined =>
  conditions?.find((each) => each.type === type && each.status === 'True');

/** Not on their way out. */
export const staying = (pods: readonly Pod[]): Pod[] =>
  pods.filter(
    ({ metadata, status }) => metadata.deletionTimestamp === undefined && status.phase !== 'Failed',
  );

export const isReady = ({ status }: Pod): boolean => holds(status.conditions, 'Ready') !== undefined;

/** Of init containers too, which native sidecars are; none as long as the pod has no node. */
export const statusesOf = ({ status }: Pod): ContainerStatus[] => [
  ...(status.initContainerStatuses ?? []),
  ...(status.containerStatuses ?? []),
];

export const containersOf = ({ spec }: Pod): LiveContainer[] => [
  ...(spec.initContainers ?? []),
  ...spec.containers,
];

/** Whether it should have one; whether that runs is said by `sidecarOf`. */
export const isInjected = (pod: Pod): boolean => containersOf(pod).some(({ name }) => name === SIDECAR);

/** The sidecar's state, as a container or as a native sidecar; undefined as long as there is none. */
export const sidecarOf = (pod: Pod): ContainerStatus | undefined =>
  statusesOf(pod).find(({ name }) => name === SIDECAR);

export const hasNativeSidecar = ({ spec }: Pod): boolean =>
  spec.initContainers?.some(({ name, restartPolicy }) => name === SIDECAR && restartPolicy === 'Always') ??
  false;

/** The gateway or layer service beside the sidecar. */
export const serviceOf = ({ spec }: Pod): LiveContainer =>
  spec.containers.find(({ name }) => name !== SIDECAR)!;

/** `stage-1`, by its annotation. */
export const appIdOf = ({ metadata }: Pod): string =>
  metadata.annotations?.['dapr.io/app-id'] ?? metadata.name;
