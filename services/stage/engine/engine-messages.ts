import type { OnnxEngineOptions } from '../../lib/engine/onnx-engine.js';
import type { TimedEngineOptions } from '../../lib/engine/timed/timed-engine.js';
import type { KvUsage, StepInput } from '../../lib/engine/types.js';
import type { TokenTrie } from '../../lib/grammar/token-trie.js';
import type { Activations } from '../../lib/model/activations.js';
import type { DraftedItem } from '../../lib/model/step.js';
import type { ErrorCode } from '../../lib/errors/catalogue.js';
import type { SamplingParams } from '../../lib/sampling/params.js';
import type { StepTokens } from '../../lib/sampling/step-tokens.js';

/** A delay put into a stage on purpose, so that tests know what telemetry must show. Milliseconds. */
export interface Fault {
  readonly perStep: number;
  readonly perSequence: number;
}

/** How the worker thread starts. */
export type EngineWorkerData = { readonly fault: Fault } & (
  | ({ readonly engine: 'onnx' } & Required<OnnxEngineOptions>)
  | ({ readonly engine: 'timed' } & TimedEngineOptions)
);

/** How the head samples a sequence. */
export interface SamplerSpec {
  readonly params: SamplingParams;
  readonly prompt: readonly number[];
  /** Tokens that were sampled before it came here. */
  readonly sampled: readonly number[];
  /** The prompt's own tokens are scored, with so many of the likeliest beside each; null: they are not. */
  readonly score: number | null;
}

export type DraftedInput = StepInput<DraftedItem>;

export type EngineRequest =
  | {
      readonly type: 'open';
      readonly sequence: string;
      readonly maxLength: number;
      readonly sampler: SamplerSpec | null;
      /** Names of the blocks that it begins with. */
      readonly prefix: readonly string[];
    }
  | { readonly type: 'close'; readonly sequence: string; readonly prefix: readonly string[] }
  /** `ready`: when its rows were there, machine time. */
  | { readonly type: 'step'; readonly input: DraftedInput; readonly ready: number }
  /** Before the first `open` with a constraint. */
  | { readonly type: 'vocabulary'; readonly trie: TokenTrie }
  | { readonly type: 'stop' };

/** A step's result: activations of every row, or what the head sampled for each item that wanted tokens. */
export type StepResult =
  | { readonly hidden: Activations }
  /** In the order of the items that wanted logits; an error where its logits could not be sampled. */
  | { readonly sampled: readonly (StepTokens | EngineFailure)[] };

export interface EngineFailure {
  readonly code: ErrorCode;
  readonly message: string;
}

export type EngineReply =
  /** `clock`: of an emulated device, whose time its thread has; else null. */
  | { readonly type: 'ready'; readonly kv: KvUsage; readonly clock: string | null }
  | {
      readonly type: 'done';
      readonly kv: KvUsage;
      /** Of a step; what the engine itself took, seconds. */
      readonly seconds: number;
      /** Of an emulated step, how much later it ended than it should, as a share of it; else null. */
      readonly overshoot: number | null;
      readonly result: StepResult | null;
      /** Of an open: tokens that the sequence starts with. */
      readonly cached: number;
    }
  | { readonly type: 'failed'; readonly error: EngineFailure };
