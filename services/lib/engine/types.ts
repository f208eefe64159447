/** One sequence's part of a step: `count` consecutive tokens that start at `position`. */
export interface StepItem {
  readonly sequence: string;
  readonly position: number;
  readonly count: number;
  /** The head returns logits of the item's last row. */
  readonly wantLogits: boolean;
}

/** Input of one step; rows of all items are concatenated in the items' order. */
export interface StepInput {
  readonly items: readonly StepItem[];
  /** Token ids `[rows]`: what stage 0 takes. */
  readonly tokens?: Int32Array;
  /** Activations `[rows, hidden]`: what every other stage takes. */
  readonly hidden?: Float32Array;
}

export interface StepOutput {
  /** Activations `[rows, hidden]`, in the order of the input; what every stage but the head returns. */
  readonly hidden?: Float32Array;
  /** Logits `[items with wantLogits, vocabulary]`; what the head returns. */
  readonly logits?: Float32Array;
}

export interface KvUsage {
  /** Tokens reserved by open sequences. */
  readonly used: number;
  /** Tokens that fit in all. */
  readonly capacity: number;
}

/**
 * Runs the layers of one stage. Not reentrant: one step at a time. A step is all or nothing: if it throws,
 * no sequence has advanced.
 */
export interface Engine {
  readonly kv: KvUsage;
  /** Reserves room for `maxLength` tokens; throws `kv_exhausted` and reserves nothing when it does not fit. */
  open(sequence: string, maxLength: number): void;
  /** Frees a sequence; unknown ones are ignored. */
  close(sequence: string): void;
  step(input: StepInput): Promise<StepOutput>;
  dispose(): Promise<void>;
}

export { ownsEmbedding, ownsHead, type LayerRange } from '../model/layer-range.js';

export type Precision = 'f32' | 'int8';
