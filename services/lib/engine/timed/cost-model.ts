import { ServingError } from '../../errors/serving-error.js';
import { COST_MODEL_VERSION } from '../../model/plan.js';
import { layerWeights, ownsEmbedding, ownsHead, type LayerRange } from '../../model/split.js';
import type { ModelConfig } from '../../model/types.js';
import type { DeviceProfile, LinearTable } from './device-profile.js';
import { modelShape } from '../../model/shapes/model-shape.js';
import presets from './start-presets.json' with { type: 'json' };

/** What a step has to compute: the rows of each sequence, the tokens that it has cached before them, and all rows whose logits are wanted. */
export interface StepWork {
  readonly items: readonly { readonly rows: number; readonly cached: number }[];
  readonly logits: number;
}

export type StartPreset = keyof typeof presets;

/** Weights, activations, keys and values are f16. */
const VALUE_BYTES = 2;

/** Of a device's memory, what an engine uses (vLLM's `gpu_memory_utilization`). */
const MEMORY_SHARE = 0.9;
/** Of that, what the context, the libraries and their workspaces take before the first weight, bytes. */
const MEMORY_OVERHEAD = 2e9;
/** Rows of the longest step (vLLM's `max_num_batched_tokens`); sets the room that activations need. */
const STEP_ROWS = 2048;

/** Of the data sheet's bandwidth, what reading keys and values gets (AIConfigurator's memory efficiency). */
const READ_SHARE = 0.8;
/** Of the data sheet's operations, what attention over a prompt gets: AIConfigurator's A100 table comes to 2.0e14 of 3.12e14. */
const ATTENTION_SHARE = 0.64;
/** Vectors of the hidden size that attention reads and writes for each row, from the same table's part linear in rows. */
const ATTENTION_VECTORS = 12;

/** The layer that the profiles' tables were measured for. */
const MEASURED_WEIGHTS = layerWeights(modelShape('llama-2-13b'));

/**
 * What one stage takes on one device, in time and memory: plain arithmetic over published numbers, with nothing fitted
 * to what it is validated against. docs/timed-engine.md has the formulas, their sources and the validation.
 */
export class CostModel {
  readonly version = COST_MODEL_VERSION;
  /** Tokens of all sequences together whose keys and values fit beside the weights. */
  readonly kvTokens: number;
  readonly #shape: ModelConfig;
  readonly #device: DeviceProfile;
  readonly #range: LayerRange;
  readonly #layers: number;
  /** Of a token in a layer. */
  readonly #kvBytes: number;
  readonly #layerWeights: number;
  readonly #weightBytes: number;

  /** Throws `invalid_config` where the stage's weights leave no room for a token. */
  constructor(shape: ModelConfig, device: DeviceProfile, range: LayerRange) {
    this.#shape = shape;
    this.#device = device;
    this.#range = range;
    const { hidden, vocabulary, kvHeads, headDim, intermediate } = shape;
    this.#layers = range.end - range.start;
    this.#kvBytes = 2 * kvHeads * headDim * VALUE_BYTES;
    this.#layerWeights = layerWeights(shape);
    const tables = (ownsEmbedding(range) ? 1 : 0) + (ownsHead(range) ? 1 : 0);
    this.#weightBytes = (this.#layers * this.#layerWeights + tables * vocabulary * hidden) * VALUE_BYTES;

    // A row at its widest: the residual and its norm, the MLP's two halves and their product.
    const activationBytes = STEP_ROWS * (2 * hidden + 3 * intermediate) * VALUE_BYTES;
    const taken = MEMORY_OVERHEAD + this.#weightBytes + activationBytes;
    const room = MEMORY_SHARE * device.memoryBytes - taken;
    this.kvTokens = Math.floor(room / (this.#kvBytes * this.#layers));
    if (this.kvTokens < 1) {
      const needed = (taken / 1e9).toFixed(1);
      const there = ((MEMORY_SHARE * device.memoryBytes) / 1e9).toFixed(1);
      throw new ServingError(
        'invalid_config',
        `layers ${range.start}-${range.end - 1} of ${shape.name} need ${needed} GB, and ${device.name} has ${there}`,
        { hint: 'cut the model into more stages, or take a device with more memory' },
      );
    }
  }

  /**
   * Seconds from a step's rows on the host to its results there. Parts add up: matrix products for all rows at once,
   * attention for each sequence, the head for the rows whose logits are wanted, activations in and out.
   */
  stepSeconds({ items, logits }: StepWork): number {
    const [shape, range] = [this.#shape, this.#range];
    const rows = items.reduce((sum, item) => sum + item.rows, 0);
    if (rows === 0) return 0;
    const layer = items.reduce(
      (sum, item) => sum + this.#attentionSeconds(item.rows, item.cached),
      this.#linearSeconds(this.#layerWeights, rows),
    );
    const head =
      ownsHead(range) && logits > 0 ? this.#linearSeconds(shape.vocabulary * shape.hidden, logits) : 0;
    const ends = (ownsEmbedding(range) ? 0 : 1) + (ownsHead(range) ? 0 : 1);
    const copies = (ends * rows * shape.hidden * VALUE_BYTES) / this.#device.hostBytesPerSecond;
    return this.#layers * layer + head + copies;
  }

  /**
   * Seconds from the start of a process until it may be ready. `sharers` pods, this one included, that load at
   * once share the storage's bandwidth: `storageGBps`, GB/s, or where that is null the preset's.
   */
  startSeconds(preset: StartPreset, sharers: number, storageGBps: number | null = null): number {
    const { fixedSeconds, gigabytesPerSecond, secondsPerLayer } = presets[preset];
    const bytesPerSecond = (storageGBps ?? gigabytesPerSecond) * 1e9;
    const load = (this.#weightBytes * Math.max(1, sharers)) / bytesPerSecond;
    return fixedSeconds + load + secondsPerLayer * this.#layers;
  }

  /** A product of `rows` rows with so many weights: both what is read and what is computed grow with the weights. */
  #linearSeconds(weights: number, rows: number): number {
    return (interpolate(this.#device.linear, rows) * weights) / MEASURED_WEIGHTS;
  }

  /**
   * Attention of one sequence in one layer: its keys and values are read, and each row meets those before it, whichever
   * takes longer. For one row that is the reading, for a prompt the n² of the operations.
   */
  #attentionSeconds(rows: number, cached: number): number {
    const { bytesPerSecond, flopsPerSecond } = this.#device;
    const width = this.#shape.heads * this.#shape.headDim;
    const reading = ((cached + rows) * this.#kvBytes) / (READ_SHARE * bytesPerSecond);
    const pairs = rows * cached + (rows * (rows + 1)) / 2;
    const computing = (4 * width * pairs) / (ATTENTION_SHARE * flopsPerSecond);
    const moving = (rows * ATTENTION_VECTORS * width * VALUE_BYTES) / (READ_SHARE * bytesPerSecond);
    return Math.max(reading, computing) + (rows > 1 ? moving : 0);
  }
}

/** Between two measured numbers of rows on a straight line, beyond the last on the line through the last two. */
function interpolate({ rows, seconds }: LinearTable, at: number): number {
  if (at <= rows[0]!) return seconds[0]!;
  const beyond = rows.findIndex((measured) => measured >= at);
  const right = beyond === -1 ? rows.length - 1 : beyond;
  const left = right - 1;
  const slope = (seconds[right]! - seconds[left]!) / (rows[right]! - rows[left]!);
  return seconds[left]! + slope * (at - rows[left]!);
}
