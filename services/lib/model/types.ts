import type { ServingError } from '../errors/serving-error.js';
import type { SamplingDefaults } from './sampling-defaults.js';

/** The shape of a decoder-only transformer, whatever file it came from. Counts, unless said otherwise. */
export interface ModelConfig {
  readonly architecture: string;
  readonly name: string;
  readonly layers: number;
  readonly hidden: number;
  readonly heads: number;
  readonly kvHeads: number;
  readonly headDim: number;
  readonly intermediate: number;
  /** Rows of the embedding and of the head, of which the tokenizer may have no token for the last. */
  readonly vocabulary: number;
  /** Longest context in tokens. */
  readonly maxPositions: number;
  readonly normEpsilon: number;
  readonly ropeTheta: number;
  readonly ropeScaling: RopeScaling | null;
  /** The LM head is the embedding matrix. */
  readonly tiedHead: boolean;
}

/**
 * Llama 3.1's frequency-dependent scaling by its parameters or by one divisor for each of the `headDim / 2`
 * rotary frequencies (how a GGUF keeps it), or plain position interpolation.
 */
export type RopeScaling =
  | {
      readonly type: 'llama3';
      readonly factor: number;
      readonly lowFrequencyFactor: number;
      readonly highFrequencyFactor: number;
      readonly originalMaxPositions: number;
    }
  | { readonly type: 'factors'; readonly factors: readonly number[] }
  | { readonly type: 'linear'; readonly factor: number };

export type LayerTensor = 'attn_norm' | 'q' | 'k' | 'v' | 'o' | 'ffn_norm' | 'gate' | 'up' | 'down';
export type TensorName = 'embed' | 'final_norm' | 'head' | `layers.${number}.${LayerTensor}`;

export interface RowRange {
  readonly start: number;
  readonly end: number;
}

/**
 * A model file or folder, opened. Matrices are row-major `[out, in]` float32; `q` and `k` rows are in the
 * half-split rotary order (Hugging Face's), whatever order the file keeps them in. `head` of a tied model
 * reads as `embed`.
 */
export interface Checkpoint {
  readonly config: ModelConfig;
  /** What the checkpoint says wrongly, and is served without. */
  readonly warnings: readonly ServingError[];
  /** sha256 (hex) of the content; the name of the prepared folder. */
  readonly digest: string;
  readonly text: CheckpointText;
  readonly sampling: SamplingDefaults;
  shape(name: TensorName): readonly number[];
  /** Reads a tensor, or some of a matrix's rows, dequantised to float32; throws `checkpoint_invalid` for a NaN. */
  read(name: TensorName, rows?: RowRange): Promise<Float32Array>;
  close(): Promise<void>;
}

/** What the gateway needs of a model: kept as small JSON files beside the shards, so it never opens weights. */
export interface TextFiles {
  /** In the format of Hugging Face's tokenizer.json. */
  readonly tokenizer: unknown;
  /** In the format of tokenizer_config.json: special tokens, `add_bos_token`, `chat_template`. */
  readonly tokenizerConfig: Record<string, unknown>;
}

/** What a checkpoint says of texts. */
export interface CheckpointText extends TextFiles {
  readonly bosId: number | null;
  /** Tokens that end a turn (`text/end-tokens.ts`). */
  readonly eosIds: readonly number[];
}
