import type { StageCounters } from './figures/stage-counters.js';

/** What a client asks for: a prompt and a fixed number of tokens, greedily. */
export interface Completion {
  readonly prompt: readonly number[];
  readonly outputTokens: number;
}

/** Something that completes prompts as it is measured: a server as its client sees it. */
export interface Target {
  /** Streams a completion and tells of tokens as they arrive. Rejects when it is refused or breaks off. */
  complete(completion: Completion, onTokens: (count: number) => void, signal: AbortSignal): Promise<void>;
}

/** A request of a workload, before it has a prompt. */
export interface PlannedRequest {
  /** Its part in the workload; latencies are told apart by it. */
  readonly kind: string;
  /** About so many where the prompt is a text. */
  readonly promptTokens: number;
  readonly outputTokens: number;
}

/** Makes the prompt of each request, in the order in which they are sent. */
export type PromptSource = (planned: PlannedRequest) => number[];

/** A request that comes at its time, whatever became of those before it. */
export interface Arrival extends PlannedRequest {
  /** Seconds after the start. */
  readonly at: number;
}

export type Schedule =
  /** So many clients; each sends its next request when its last has been answered. */
  | { readonly type: 'closed'; readonly clients: number; readonly requests: readonly PlannedRequest[] }
  | { readonly type: 'open'; readonly arrivals: readonly Arrival[] }
  /** One request alone; then the same again once each of the running ones has so many tokens. */
  | {
      readonly type: 'injection';
      readonly alone: PlannedRequest;
      readonly running: readonly PlannedRequest[];
      readonly afterTokens: number;
      readonly injected: PlannedRequest;
    };

/** What a client saw of one request; times in milliseconds since the schedule began. */
export interface RequestRecord extends PlannedRequest {
  readonly sent: number;
  /** When each token arrived. */
  readonly tokens: readonly number[];
  /** Null when it was answered in full. */
  readonly error: string | null;
}

export interface WatchedProcess {
  /** Such as `stage-1.1` or `stage-1.1.daprd`. */
  readonly name: string;
  readonly pid: number;
}

interface WatchedStage {
  /** Its app-id and replica, such as `stage-1.1`. */
  readonly name: string;
  readonly metricsUrl: string;
}

/** A target that runs. */
export interface Served {
  readonly target: Target;
  readonly version: string;
  /** Everything on this machine that works for it; empty where that is not known. */
  readonly processes: readonly WatchedProcess[];
  /** Layer services whose own metrics can be read. */
  readonly stages: readonly WatchedStage[];
  stop(): Promise<void>;
}

/** The most that a load asks of a server at once. */
export interface Size {
  readonly clients: number;
  /** Longest prompt and output together. */
  readonly tokens: number;
}

/** One of the things that the benchmark compares. */
export interface Arm {
  readonly name: string;
  readonly peer: boolean;
  /** True of a peer that guesses tokens. */
  readonly speculates?: boolean;
  /** True where it is set up for one number of clients, and must be started anew for another. */
  readonly sized: boolean;
  start(size: Size, signal: AbortSignal): Promise<Served>;
}

export interface Load {
  /** Short and unique, such as `closed-16`. */
  readonly name: string;
  /** For the reader, with every number that it takes to repeat it. */
  readonly title: string;
  readonly size: Size;
  /** Run before every measurement, and thrown away. */
  readonly warmUp: Schedule;
  /** Names of the arms that it is for; all where it does not say. */
  readonly arms?: readonly string[];
  /** The same for every arm of a round. */
  schedule(round: number): Schedule;
  /** The same prompts for the same seed. */
  prompts(seed: number, signal: AbortSignal): PromptSource | Promise<PromptSource>;
}

/** What a system, its clients and others used of the machine while it was measured. */
export interface Usage {
  readonly processes: readonly ProcessUsage[];
  readonly stages: readonly { readonly name: string; readonly counters: StageCounters }[];
  /** CPU seconds of this process, which plays the clients. */
  readonly clientSeconds: number;
  /** CPU seconds of all processes that have no part in it; null where not every part is known. */
  readonly otherSeconds: number | null;
  /** Null where that cannot be read. */
  readonly host?: HostUsage | null;
}

export interface HostUsage {
  /** Share of all processors' time in which they worked, whoever for. */
  readonly busy: number;
  /** Periods in which our container had to wait, for its quota was used up. */
  readonly throttled: number;
}

export interface ProcessUsage {
  readonly name: string;
  readonly cpuSeconds: number;
  /** Of its first thread alone: in Node, of the event loop. */
  readonly mainThreadSeconds: number;
  /** At the end. */
  readonly rssBytes: number;
}

/** One arm under one load in one round. */
export interface Trial {
  readonly arm: string;
  readonly load: string;
  /** Counts from 1. */
  readonly round: number;
  readonly records: readonly RequestRecord[];
  readonly usage: Usage;
}
