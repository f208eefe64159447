import type { Manifest, PodTemplate } from '../manifest.js';

/** What is read of a pod that runs. */
export interface Pod extends Manifest {
  readonly metadata: Manifest['metadata'] & {
    readonly deletionTimestamp?: string;
    readonly annotations?: Readonly<Record<string, string>>;
  };
  readonly spec: PodTemplate['spec'] & {
    readonly initContainers?: readonly { readonly name: string; readonly restartPolicy?: string }[];
  };
  readonly status: {
    readonly phase?: string;
    readonly podIP?: string;
    readonly conditions?: readonly Condition[];
    readonly containerStatuses?: readonly ContainerStatus[];
    readonly initContainerStatuses?: readonly ContainerStatus[];
  };
}

export interface Condition {
  readonly type: string;
  readonly status: string;
  readonly reason?: string;
  readonly message?: string;
}

interface ContainerStatus {
  readonly name: string;
  readonly ready: boolean;
  readonly restartCount: number;
}

export const SERVICES = 'app.kubernetes.io/name=layermesh';
export const STAGES = `${SERVICES},app.kubernetes.io/component=stage`;

/** Not on their way out. */
export const staying = (pods: readonly Pod[]): Pod[] =>
  pods.filter(
    ({ metadata, status }) => metadata.deletionTimestamp === undefined && status.phase !== 'Failed',
  );

export const isReady = ({ status }: Pod): boolean =>
  status.conditions?.some(({ type, status: value }) => type === 'Ready' && value === 'True') ?? false;

/** The sidecar's state, as a container or as a native sidecar; undefined where there is none. */
export const sidecarOf = ({ status }: Pod): ContainerStatus | undefined =>
  [...(status.containerStatuses ?? []), ...(status.initContainerStatuses ?? [])].find(
    ({ name }) => name === 'daprd',
  );

export const hasNativeSidecar = ({ spec }: Pod): boolean =>
  spec.initContainers?.some(({ name, restartPolicy }) => name === 'daprd' && restartPolicy === 'Always') ??
  false;

/** `stage-1`, by its annotation. */
export const appIdOf = ({ metadata }: Pod): string =>
  metadata.annotations?.['dapr.io/app-id'] ?? metadata.name;
