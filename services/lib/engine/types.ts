import type { Activations, ActivationType } from '../model/activations.js';
import type { LayerRange } from '../model/split.js';
import type { StepItem } from '../model/step.js';
import type { ModelConfig } from '../model/types.js';

/** Input of one step; rows of all items are concatenated in the items' order. */
export type StepInput<Item extends StepItem = StepItem> = InputRows & {
  readonly items: readonly Item[];
  /** The head returns only the best tokens of the rows whose logits are wanted: a vocabulary less to copy a row. */
  readonly bestOnly?: boolean;
  /** Nothing else is computed meanwhile, so that the step may have all processors that others have their part of. */
  readonly alone?: boolean;
};

type InputRows =
  /** Token ids `[rows]`: what stage 0 takes. */
  | { readonly tokens: Int32Array; readonly hidden?: undefined }
  /** Activations `[rows, hidden]`: what every other stage takes. */
  | { readonly tokens?: undefined; readonly hidden: Activations };

export type StepOutput =
  /** Activations `[rows, hidden]`, in the order of the input; what every stage but the head returns. */
  | { readonly hidden: Activations; readonly logits?: undefined; readonly best?: undefined }
  /** Logits `[sum of the items' logits, vocabulary]`, in the items' order; what the head returns. */
  | { readonly hidden?: undefined; readonly logits: Float32Array; readonly best?: undefined }
  /** What the head returns instead when only that is wanted. */
  | { readonly hidden?: undefined; readonly logits?: undefined; readonly best: BestTokens };

/** Of each row of logits the token with the highest, of equal ones the lowest, and that logit. */
export interface BestTokens {
  readonly tokens: Int32Array;
  /** Not a finite number when the row's logits are not. */
  readonly logits: Float32Array;
}

export interface KvUsage {
  /** Tokens that open sequences have cached. */
  readonly used: number;
  /** Tokens that fit in all. */
  readonly capacity: number;
}

/** What a step took, as an emulated device has it. */
export interface StepTime {
  readonly seconds: number;
  /** How much later than it should the step was over, as a share of it. */
  readonly overshoot: number;
}

/**
 * Runs the layers of one stage. Not reentrant: one step at a time. A step is all or nothing: if it throws,
 * no sequence has advanced. Rows that it would have dropped may be gone then; nobody wants them any more.
 */
export interface Engine {
  readonly kv: KvUsage;
  /**
   * Opens a sequence of at most `maxLength` tokens; its room grows with it. `prefix` names the blocks that it begins
   * with (`model/prefix-blocks.ts`). Returns how many of its tokens are cached already, from sequences closed
   * before: a whole number of blocks, at worst none.
   */
  open(sequence: string, maxLength: number, prefix?: readonly string[]): number;
  /** Frees a sequence; unknown ones are ignored. The blocks that it begins with may be kept for those to come. */
  close(sequence: string, prefix?: readonly string[]): void;
  /** Throws `kv_exhausted` where there is no room for all of its rows. */
  step(input: StepInput): Promise<StepOutput>;
  /**
   * Of an engine that emulates the time of another: holds the thread until the last step is over there, whose rows were
   * here at `ready`, machine time. What is done with its output before counts as part of it.
   */
  endStep?(ready: number): StepTime;
  dispose(): Promise<void>;
}

export type Precision = 'f32' | 'int8';

/** What the rows of a stage's steps are made of. */
export interface RowKind {
  readonly config: ModelConfig;
  readonly range: LayerRange;
  readonly activations: ActivationType;
}
