import { checkStep } from '../../../services/lib/engine/check-step.js';
import { inverseFrequencies } from '../../../services/lib/engine/graph/rotary.js';
import type { Engine, KvUsage, StepInput, StepOutput } from '../../../services/lib/engine/types.js';
import { ServingError } from '../../../services/lib/errors/serving-error.js';
import { type LayerRange, ownsEmbedding, ownsHead } from '../../../services/lib/model/split.js';
import type { Checkpoint, LayerTensor, ModelConfig } from '../../../services/lib/model/types.js';

type Layer = Readonly<Record<LayerTensor, Float32Array>>;

interface Weights {
  /** Null but in stage 0. */
  readonly embed: Float32Array | null;
  readonly layers: readonly Layer[];
  /** Null but in the head. */
  readonly head: { readonly norm: Float32Array; readonly matrix: Float32Array } | null;
}

/** One sequence's cache: for each layer, the keys and values of its tokens so far. */
interface Sequence {
  readonly maxLength: number;
  length: number;
  readonly keys: Float32Array[][];
  readonly values: Float32Array[][];
}

interface ReferenceEngineOptions {
  readonly checkpoint: Checkpoint;
  readonly range: { readonly start: number; readonly end: number };
  readonly kvTokens: number;
}

/**
 * The oracle: the transformer as its definition reads, in f32, one token of one sequence at a time, straight
 * from the checkpoint. Slow, and meant to be beyond doubt. Keeps its weights in memory.
 */
export async function createReferenceEngine(options: ReferenceEngineOptions): Promise<Engine> {
  const { checkpoint } = options;
  const range = { ...options.range, layers: checkpoint.config.layers };
  const layers: Layer[] = [];
  for (let layer = range.start; layer < range.end; layer++) layers.push(await readLayer(checkpoint, layer));
  const embed = ownsEmbedding(range) ? await checkpoint.read('embed') : null;
  const head = ownsHead(range)
    ? { norm: await checkpoint.read('final_norm'), matrix: await checkpoint.read('head') }
    : null;
  return new ReferenceEngine(checkpoint.config, range, { embed, layers, head }, options.kvTokens);
}

async function readLayer(checkpoint: Checkpoint, layer: number): Promise<Layer> {
  const read = (name: LayerTensor) => checkpoint.read(`layers.${layer}.${name}`);
  return {
    attn_norm: await read('attn_norm'),
    q: await read('q'),
    k: await read('k'),
    v: await read('v'),
    o: await read('o'),
    ffn_norm: await read('ffn_norm'),
    gate: await read('gate'),
    up: await read('up'),
    down: await read('down'),
  };
}

class ReferenceEngine implements Engine {
  readonly #config: ModelConfig;
  readonly #range: LayerRange;
  readonly #weights: Weights;
  readonly #kvTokens: number;
  readonly #frequencies: Float64Array;
  readonly #sequences = new Map<string, Sequence>();

  constructor(config: ModelConfig, range: LayerRange, weights: Weights, kvTokens: number) {
    this.#config = config;
    this.#range = range;
    this.#weights = weights;
    this.#kvTokens = kvTokens;
    this.#frequencies = inverseFrequencies(config);
  }

  get kv(): KvUsage {
    let used = 0;
    for (const { length } of this.#sequences.values()) used += length;
    return { used, capacity: this.#kvTokens };
  }

  /** Computes everything itself: it keeps nothing of closed sequences. */
  open(sequence: string, maxLength: number): number {
    const perLayer = (): Float32Array[][] => this.#weights.layers.map(() => []);
    this.#sequences.set(sequence, { maxLength, length: 0, keys: perLayer(), values: perLayer() });
    return 0;
  }

  close(sequence: string): void {
    this.#sequences.delete(sequence);
  }

  step(input: StepInput): Promise<StepOutput> {
    const sequences = this.#sequences;
    checkStep(input, this.#range, this.#config, {
      length: (sequence) => sequences.get(sequence)?.length,
      maxLength: (sequence) => sequences.get(sequence)!.maxLength,
    });
    for (const { sequence, position } of input.items) rewind(sequences.get(sequence)!, position);
    const { used, capacity } = this.kv;
    const wanted = input.items.reduce((sum, { count }) => sum + count, 0);
    if (used + wanted > capacity) throw new ServingError('kv_exhausted', `${wanted} tokens do not fit`);
    const hidden: Float32Array[] = [];
    const rowsOfLogits: Float32Array[] = [];
    let row = 0;
    for (const { sequence, count, logits } of input.items) {
      for (let index = 0; index < count; index++) {
        const x = this.#token(this.#row(input, row++), sequences.get(sequence)!);
        hidden.push(x);
        if (index >= count - logits && this.#weights.head !== null) rowsOfLogits.push(this.#logits(x));
      }
    }
    if (this.#weights.head === null) return Promise.resolve({ hidden: concat(hidden) });
    if (input.bestOnly !== true) return Promise.resolve({ logits: concat(rowsOfLogits) });
    const tokens = Int32Array.from(rowsOfLogits, (row) =>
      row.reduce((best, logit, token) => (logit > row[best]! ? token : best), 0),
    );
    const logits = Float32Array.from(rowsOfLogits, (row, index) => row[tokens[index]!]!);
    return Promise.resolve({ best: { tokens, logits } });
  }

  dispose(): Promise<void> {
    this.#sequences.clear();
    return Promise.resolve();
  }

  #row({ tokens, hidden }: StepInput, row: number): Float32Array {
    const size = this.#config.hidden;
    if (tokens === undefined) return Float32Array.from(hidden.subarray(row * size, (row + 1) * size));
    const token = tokens[row]!;
    return this.#weights.embed!.slice(token * size, (token + 1) * size);
  }

  /** Runs one token through the layers. */
  #token(x: Float32Array, sequence: Sequence): Float32Array {
    const { normEpsilon } = this.#config;
    for (const [index, layer] of this.#weights.layers.entries()) {
      x = add(x, this.#attention(rmsNorm(x, layer.attn_norm, normEpsilon), layer, index, sequence));
      x = add(x, feedForward(rmsNorm(x, layer.ffn_norm, normEpsilon), layer));
    }
    sequence.length++;
    return x;
  }

  #attention(x: Float32Array, layer: Layer, index: number, sequence: Sequence): Float32Array {
    const { heads, kvHeads, headDim } = this.#config;
    const position = sequence.length;
    const query = rotate(matVec(layer.q, x), position, this.#frequencies);
    const keys = sequence.keys[index]!;
    const values = sequence.values[index]!;
    keys.push(rotate(matVec(layer.k, x), position, this.#frequencies));
    values.push(matVec(layer.v, x));

    const mixed = new Float32Array(heads * headDim);
    for (let head = 0; head < heads; head++) {
      const kvHead = Math.floor(head / (heads / kvHeads));
      const slice = (vector: Float32Array) => vector.subarray(kvHead * headDim, (kvHead + 1) * headDim);
      const q = query.subarray(head * headDim, (head + 1) * headDim);
      const scores = Float32Array.from(keys, (key) => matVec(slice(key), q)[0]! / Math.sqrt(headDim));
      mixed.set(weightedSum(softmax(scores), values.map(slice)), head * headDim);
    }
    return matVec(layer.o, mixed);
  }

  #logits(x: Float32Array): Float32Array {
    const { norm, matrix } = this.#weights.head!;
    return matVec(matrix, rmsNorm(x, norm, this.#config.normEpsilon));
  }
}

/** Forgets the tokens from `length` on. */
function rewind(sequence: Sequence, length: number): void {
  sequence.length = length;
  for (const rows of [...sequence.keys, ...sequence.values]) rows.length = length;
}

function feedForward(x: Float32Array, layer: Layer): Float32Array {
  const gate = silu(matVec(layer.gate, x));
  const up = matVec(layer.up, x);
  return matVec(
    layer.down,
    gate.map((value, index) => value * up[index]!),
  );
}

function concat(rows: readonly Float32Array[]): Float32Array {
  const all = new Float32Array(rows.reduce((length, row) => length + row.length, 0));
  let offset = 0;
  for (const row of rows) {
    all.set(row, offset);
    offset += row.length;
  }
  return all;
}

// The arithmetic of a transformer on plain vectors. Nothing here is clever except `dot`.

/** Four independent sums, since one would wait for each addition in turn. */
function dot(a: Float32Array, offset: number, x: Float32Array): number {
  const length = x.length;
  const whole = length - (length % 4);
  let s0 = 0;
  let s1 = 0;
  let s2 = 0;
  let s3 = 0;
  for (let i = 0; i < whole; i += 4) {
    s0 += a[offset + i]! * x[i]!;
    s1 += a[offset + i + 1]! * x[i + 1]!;
    s2 += a[offset + i + 2]! * x[i + 2]!;
    s3 += a[offset + i + 3]! * x[i + 3]!;
  }
  for (let i = whole; i < length; i++) s0 += a[offset + i]! * x[i]!;
  return s0 + s1 + s2 + s3;
}

/** `matrix [out, in]` times `x [in]`. */
function matVec(matrix: Float32Array, x: Float32Array): Float32Array {
  const y = new Float32Array(matrix.length / x.length);
  for (let row = 0; row < y.length; row++) y[row] = dot(matrix, row * x.length, x);
  return y;
}

const add = (a: Float32Array, b: Float32Array): Float32Array => a.map((value, i) => value + b[i]!);

/** Root mean square layer normalisation (arXiv:1910.07467). */
function rmsNorm(x: Float32Array, weight: Float32Array, epsilon: number): Float32Array {
  const scale = 1 / Math.sqrt(dot(x, 0, x) / x.length + epsilon);
  return x.map((value, i) => value * scale * weight[i]!);
}

const silu = (x: Float32Array): Float32Array => x.map((value) => value / (1 + Math.exp(-value)));

function softmax(scores: Float32Array): Float32Array {
  const greatest = scores.reduce((a, b) => Math.max(a, b));
  const powers = scores.map((score) => Math.exp(score - greatest));
  const sum = powers.reduce((a, b) => a + b);
  return powers.map((power) => power / sum);
}

function weightedSum(weights: Float32Array, vectors: readonly Float32Array[]): Float32Array {
  const sum = new Float32Array(vectors[0]!.length);
  for (const [index, vector] of vectors.entries()) {
    for (let i = 0; i < sum.length; i++) sum[i]! += weights[index]! * vector[i]!;
  }
  return sum;
}

/** Rotary position embedding of every head of `x`: element i turns with element i + headDim / 2. */
function rotate(x: Float32Array, position: number, frequencies: Float64Array): Float32Array {
  const half = frequencies.length;
  const y = new Float32Array(x.length);
  for (let head = 0; head < x.length; head += 2 * half) {
    for (let i = 0; i < half; i++) {
      const cos = Math.cos(position * frequencies[i]!);
      const sin = Math.sin(position * frequencies[i]!);
      const a = x[head + i]!;
      const b = x[head + half + i]!;
      y[head + i] = a * cos - b * sin;
      y[head + half + i] = b * cos + a * sin;
    }
  }
  return y;
}
