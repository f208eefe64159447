import type { KvUsage, LayerRange, Precision, StepInput } from '../lib/engine/types.js';
import type { ErrorCode } from '../lib/errors/catalogue.js';
import type { SamplingParams } from '../lib/sampling/params.js';

/** How the worker thread starts. */
export interface EngineWorkerData {
  /** Folder of the prepared model. */
  readonly shards: string;
  readonly precision: Precision;
  readonly range: LayerRange;
  /** Left out: as many as the cgroup grants. */
  readonly threads?: number;
  readonly kvTokens: number;
}

/** How the head samples a sequence. */
export interface SamplerSpec {
  readonly params: SamplingParams;
  readonly prompt: readonly number[];
}

export type EngineRequest =
  | {
      readonly type: 'open';
      readonly sequence: string;
      readonly maxLength: number;
      readonly sampler: SamplerSpec | null;
    }
  | { readonly type: 'close'; readonly sequence: string }
  | { readonly type: 'step'; readonly input: StepInput }
  | { readonly type: 'stop' };

/** A step's result: activations of every row, or the head's token for each item that wanted one. */
export type StepResult =
  | { readonly hidden: Float32Array }
  /** In the order of the items that wanted one; an error where its logits could not be sampled. */
  | { readonly tokens: readonly (number | EngineFailure)[] };

export interface EngineFailure {
  readonly code: ErrorCode;
  readonly message: string;
}

export type EngineReply =
  | { readonly type: 'ready'; readonly kv: KvUsage }
  | {
      readonly type: 'done';
      readonly kv: KvUsage;
      /** Of a step; what the engine itself took, seconds. */
      readonly seconds: number;
      readonly result: StepResult | null;
    }
  | { readonly type: 'failed'; readonly error: EngineFailure };
