import type { Container, Manifest, PodTemplate } from '../manifest.js';

/** What is read of a pod that runs, or should. */
export interface Pod extends Manifest {
  readonly metadata: Manifest['metadata'] & {
    readonly creationTimestamp?: string;
    readonly deletionTimestamp?: string;
    readonly annotations?: Readonly<Record<string, string>>;
  };
  readonly spec: Omit<PodTemplate['spec'], 'containers'> & {
    readonly containers: readonly LiveContainer[];
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
export type LiveContainer = Omit<Container, 'resources' | 'envFrom'> & {
  readonly restartPolicy?: string;
  readonly resources?: { readonly limits?: { readonly memory?: string } };
  readonly envFrom?: readonly { readonly configMapRef?: { readonly name: string } }[];
};

export interface Condition {
  readonly type: string;
  readonly status: string;
  readonly reason?: string;
  readonly message?: string;
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
  readonly running?: object;
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

/** Not on their way out. */
export const staying = (pods: readonly Pod[]): Pod[] =>
  pods.filter(
    ({ metadata, status }) => metadata.deletionTimestamp === undefined && status.phase !== 'Failed',
  );

export const isReady = ({ status }: Pod): boolean =>
  status.conditions?.some(({ type, status: value }) => type === 'Ready' && value === 'True') ?? false;

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
