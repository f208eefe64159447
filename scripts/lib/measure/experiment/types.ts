import type { Arm } from './arm.js';
import type { Machine } from '../page.js';
import type { StageCounters } from '../figures/stage-counters.js';
import type { HostUsage, RequestRecord, Target } from '../types.js';

/** Everything that decides the figures: what is measured under one plan may stand in one report. */
export interface Plan {
  readonly split: readonly number[];
  readonly serviceMilliCpu: number;
  readonly sidecarMilliCpu: number;
  /** Of each load, seconds. */
  readonly duration: number;
  readonly seed: number;
  readonly machine: Machine;
  /** ISO, of its beginning. */
  readonly date: string;
}

/** The same of a scenario, but for its arms and loads, of which each row says itself what it is of. */
export interface ScenarioPlan extends Pick<Plan, 'machine' | 'date'> {
  readonly scenario: string;
  readonly costModel: number;
  readonly settings: Readonly<Record<string, number>>;
}

/** What one process has used since it began. */
export interface Used {
  readonly cpuSeconds: number;
  readonly rssBytes: number;
}

/** One pod at one moment. */
export interface PodView {
  readonly name: string;
  /** App-id; `gateway` for the gateway. */
  readonly app: string;
  /** CPU limits of its containers together, processors; 0 where they have none. */
  readonly cpuLimit: number;
  /** Null where the process could not be read, such as before it listens. */
  readonly service: Used | null;
  /** Null where there is none, or it could not be read. */
  readonly sidecar: Used | null;
  /** Null for the gateway. */
  readonly counters: StageCounters | null;
}

/** One stage's Deployment at one moment, and its autoscaler where it has one. */
export interface ScaleView {
  readonly app: string;
  readonly desired: number;
  readonly ready: number;
  /** What its autoscaler looks at; empty where it has none. */
  readonly metrics: readonly MetricView[];
}

/** A metric that a stage is scaled by. */
export interface MetricView {
  readonly name: string;
  /** Mean over the replicas, as the metrics API tells it; null while it tells nothing. */
  readonly value: number | null;
  /** What the autoscaler keeps that mean at. */
  readonly target: number;
}

/** Everything that was seen of a system at one moment. */
export interface Observation {
  /** Milliseconds since 1970, as the cluster's own timestamps are. */
  readonly at: number;
  readonly scales: readonly ScaleView[];
  readonly pods: readonly PodView[];
}

/** When a pod came to what; milliseconds since 1970, null for what has not been. Kubernetes tells whole seconds. */
export interface PodLife {
  readonly name: string;
  readonly app: string;
  readonly created: number;
  readonly scheduled: number | null;
  /** The service's container runs. */
  readonly started: number | null;
  readonly ready: number | null;
  /** It was seen no more. Left out, as below, in rows from before it was kept. */
  readonly ended?: number | null;
  /** The emulated GPU that it is paid as; null for one that computes. */
  readonly device?: string | null;
}

/** A pod that was killed. */
export interface Killed {
  readonly stage: string;
  readonly pod: string;
  /** Milliseconds since 1970. */
  readonly at: number;
}

/** One arm under one load. */
export interface Trial {
  readonly arm: string;
  readonly load: string;
  /** What it ran on, and which version. */
  readonly site: string;
  /** When its clock of requests began, milliseconds since 1970. */
  readonly startedAt: number;
  readonly records: readonly RequestRecord[];
  readonly observations: readonly Observation[];
  /** Of every pod that was seen since the arm was deployed. */
  readonly lives: readonly PodLife[];
  /** Null where nobody counted. */
  readonly wireBytes: WireBytes | null;
  /** CPU seconds of all processes of the machine that plays the clients, and of that one alone; null where unknown. */
  readonly machineCpuSeconds: number | null;
  readonly clientCpuSeconds: number;
  /** Of that machine; null where unknown. */
  readonly host?: HostUsage | null;
  readonly killed?: readonly Killed[];
  /** Why its figures do not count, and it is to be measured again; null where they do. */
  readonly void?: string | null;
  /** Digest of the arm and the load as they were when it was measured; null where nobody asked for one. */
  readonly of?: string | null;
}

/** What the pods of each app have sent to other pods, bytes. */
export type WireBytes = Readonly<Record<string, number>>;

/** An arm that runs. */
export interface Deployed {
  readonly target: Target;
  /** What is seen of it now. */
  observe(signal: AbortSignal): Promise<Observation>;
  /** Of every pod seen so far. */
  lives(): readonly PodLife[];
  /**
   * Delays everything that a pod sends to another by so many milliseconds, until the function returned is called,
   * which tells how much that was.
   */
  delay(ms: number, signal: AbortSignal): Promise<() => Promise<WireBytes>>;
  /** Takes a ready replica of a stage away without a warning, and tells which; null where there is none. */
  kill(stage: string, signal: AbortSignal): Promise<string | null>;
  /** Resolves when it is as it was at first: every stage at its least replicas, nothing starting or ending. */
  settle(signal: AbortSignal): Promise<void>;
  stop(): Promise<void>;
}

/** Where arms can run. */
export interface Site {
  /** For the reader: what it is and which versions run there. */
  describe(signal: AbortSignal): Promise<string>;
  /** Resolves when a request can be served by every replica asked for. */
  deploy(arm: Arm, signal: AbortSignal): Promise<Deployed>;
  /** Leaves nothing behind. */
  close(): Promise<void>;
}
