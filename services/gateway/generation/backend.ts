import type { SamplingParams } from '../../lib/sampling/params.js';
import type { StepTokens } from '../../lib/sampling/step-tokens.js';
import type { SequenceTrace } from '../telemetry/sequence-trace.js';

/** What the HTTP layer needs of the mesh, and nothing else: routes know no stages, links or frames. */
export interface Backend {
  /**
   * Runs one sequence. Resolves once every stage of the route has agreed; rejects with a ServingError
   * (`kv_exhausted`, `stage_unavailable`, …). Aborting the signal frees the sequence in every stage.
   */
  generate(request: GenerateRequest, signal: AbortSignal): Promise<Generation>;
  /** Null when a whole route exists and nothing drains; else why not. */
  notReadyReason(): string | null;
  /** What does not keep requests from being served yet, such as a registry that cannot be reached. */
  warnings(): string[];
  /** Its stages and their replicas, as these last told; a stage that nobody serves has no replicas. */
  topology(): Topology;
}

export interface GenerateRequest {
  /** Token ids. */
  readonly prompt: readonly number[];
  readonly sampling: SamplingParams;
  /** Tokens to be sampled, at most. */
  readonly maxTokens: number;
  /** The prompt's own tokens are scored, with so many of the likeliest beside each. */
  readonly score?: number;
  /** What it begins with is shared only with requests of the same salt. */
  readonly cacheSalt?: string | undefined;
  /** Hears of every round through the mesh. */
  readonly trace?: SequenceTrace;
}

export interface Generation {
  /** Such as `stage-0/ab12>stage-1/cd34`. */
  readonly route: string;
  /** Leading tokens of the prompt that every stage of the route had from an earlier sequence. */
  readonly cachedTokens: number;
  /**
   * What is sampled, step by step, the first with the scores of the prompt where they are wanted. Ends after `maxTokens`,
   * after a step that has `ended`, or when the caller breaks off (return frees the sequence).
   */
  readonly tokens: AsyncIterable<StepTokens>;
}

/** A mesh as clients of `/topology` read it, whose names it has. */
export interface Topology {
  readonly model: string;
  /** All of the gateway, where it serves several; one is asked for by `?model=`. */
  readonly models?: readonly string[];
  /** Only where it only takes time: `timed (…)`. */
  readonly engine?: string;
  readonly precision: string;
  /** Boundaries between the stages: the first layer of each but the first. */
  readonly split: readonly number[];
  readonly stages: readonly StageTopology[];
}

export interface StageTopology {
  readonly app_id: string;
  /** Its layers, from `start` up to `end`, which is the next stage's. */
  readonly start: number;
  readonly end: number;
  readonly head: boolean;
  readonly replicas: readonly ReplicaTopology[];
}

export interface ReplicaTopology {
  readonly id: string;
  readonly host: string;
  readonly pid: number;
  readonly state: 'ready' | 'draining';
  readonly sequences: number;
  /** KV room, tokens. */
  readonly kv_used: number;
  readonly kv_capacity: number;
  /** Share of the last seconds in which its engine computed, 0 to 1. */
  readonly busy_ratio: number;
  /** Memory of its process. */
  readonly rss_bytes: number;
}
