import ort from 'onnxruntime-node';
import { type Activations, newActivations } from '../model/activations.js';
import { ownsEmbedding, ownsHead } from '../model/split.js';
import type { StepItem } from '../model/step.js';
import type { ModelConfig } from '../model/types.js';
import { rotaryAngles } from './graph/rotary.js';
import { SHORT_ROWS } from './kv/arrange.js';
import type { KvBatch } from './kv/kv-cache.js';
import type { KvLayout } from './kv/kv-layout.js';
import type { RowKind, StepInput, StepOutput } from './types.js';

type Feeds = Record<string, ort.Tensor>;

/** The shape of a run: sequences that have `lengths` tokens cached, in `past` rows, and get `count` new ones. */
export interface RunShape {
  readonly lengths: readonly number[];
  readonly past: number;
  readonly count: number;
  /** Whether each query row meets the cache in a product of its own: see `StepInputs.queryShape`. */
  readonly rowByRow: boolean;
}

/**
 * A batch meets the whole of its slots, which is what can be had without copying. A chunk of a prompt would pay
 * for their empty part with every one of its rows, so it gets the rows that are written; at first one that is
 * not, and is masked, since not every operator takes none.
 */
export function runShape({ arena, members, count }: KvBatch, { precision }: KvLayout): RunShape {
  const lengths = members.map(({ position }) => position);
  const isChunk = lengths.length === 1 && (count > SHORT_ROWS || lengths[0] === 0);
  const past = isChunk ? Math.max(1, lengths[0]!) : arena.bucket;
  return { lengths, past, count, rowByRow: count === 1 && precision === 'f32' };
}

/** What a run needs beside its tokens or activations and the cache: positions and masks. */
export function sharedFeeds(run: RunShape, config: ModelConfig, frequencies: Float64Array): Feeds {
  const { lengths, past, count, rowByRow } = run;
  const { heads, kvHeads, headDim } = config;
  const group = heads / kvHeads;
  const positions = lengths.flatMap((length) => Array.from({ length: count }, (_, index) => length + index));
  const { cos, sin } = rotaryAngles(frequencies, positions);
  const angles = [positions.length, headDim / 2];
  const [products, rows] = rowByRow ? [group, count] : [1, group * count];
  return {
    rotary_rows: int64([...positions.keys()], [lengths.length, count]),
    cos: new ort.Tensor('float32', cos, angles),
    sin: new ort.Tensor('float32', sin, angles),
    query_shape: int64([lengths.length, kvHeads, products, rows, headDim], [5]),
    mask: mask(run, count === 1 ? 1 : rows),
    past_and_new: int64([past, count], [2]),
  };
}

/** Query row r, which is token r mod S of its chunk, sees the cached tokens and the chunk's up to its own. */
function mask({ lengths, past, count }: RunShape, rows: number): ort.Tensor {
  const keys = past + count;
  const values = new Float32Array(lengths.length * rows * keys);
  for (const [index, length] of lengths.entries()) {
    for (let row = 0; row < rows; row++) {
      const start = (index * rows + row) * keys;
      values.fill(-Infinity, start + Math.min(length, past), start + past);
      values.fill(-Infinity, start + past + (row % count) + 1, start + keys);
    }
  }
  return new ort.Tensor('float32', values, [lengths.length, 1, 1, rows, keys]);
}

/** What ONNX takes as indices and shapes. */
const int64 = (values: readonly number[], shape: number[]): ort.Tensor =>
  new ort.Tensor('int64', BigInt64Array.from(values, BigInt), shape);

/** Where an item's rows begin in the step's input and output, and its rows of logits in the head's output. */
interface Start {
  readonly row: number;
  readonly logitRow: number;
}

/** Rows of one output of the model, gathered over the runs of a step. */
interface Gathered {
  /** The model's name for it. */
  readonly name: string;
  readonly rowSize: number;
  readonly values: Activations | Int32Array;
}

/** Carries rows between a step, in the order of its items, and its batches, in the order of cache slots. */
export class StepRows {
  /** What the step returns, once `keep` has got every batch's. */
  readonly output: StepOutput;
  readonly #input: StepInput;
  readonly #kind: RowKind;
  readonly #starts = new Map<StepItem, Start>();
  readonly #gathered: readonly Gathered[];

  constructor(input: StepInput, kind: RowKind) {
    this.#input = input;
    this.#kind = kind;
    let row = 0;
    let logitRow = 0;
    for (const item of input.items) {
      this.#starts.set(item, { row, logitRow });
      row += item.count;
      logitRow += item.logits;
    }
    ({ output: this.output, gathered: this.#gathered } = emptyOutput(input, kind, row, logitRow));
  }

  /** The outputs of the model that `keep` needs of a run. */
  get fetches(): string[] {
    return this.#gathered.map(({ name }) => name);
  }

  /**
   * The batch's token ids or activations, where they are among the places of its members, and in the head which
   * rows want logits. A member that is shorter than the batch has its last row in the places that are left: any
   * would do that has finite numbers, since real ones never look at it.
   */
  feeds({ members, count }: KvBatch<StepItem>): Record<string, ort.Tensor> {
    const rowsOfPlaces: number[] = [];
    const placesOfRows: number[] = [];
    const logitRows: number[] = [];
    let start = 0;
    for (const [index, member] of members.entries()) {
      const end = start + member.count;
      for (let offset = 0; offset < count; offset++) rowsOfPlaces.push(Math.min(start + offset, end - 1));
      for (let row = 0; row < member.count; row++) placesOfRows.push(index * count + row);
      for (let row = end - member.logits; row < end; row++) logitRows.push(row);
      start = end;
    }
    return {
      ...this.#rows(members, start),
      rows_of_places: int64(rowsOfPlaces, [members.length, count]),
      places_of_rows: int64(placesOfRows, [start]),
      ...(ownsHead(this.#kind.range) && { logit_rows: logitRowsFeed(logitRows) }),
    };
  }

  /** Puts what a run returned in its place in the step's output. */
  keep({ members }: KvBatch<StepItem>, outputs: ort.InferenceSession.OnnxValueMapType): void {
    let [start, next] = [0, 0];
    for (const member of members) {
      const { row, logitRow } = this.#starts.get(member)!;
      if (ownsHead(this.#kind.range)) this.#copy(outputs, next, member.logits, logitRow);
      else this.#copy(outputs, start, member.count, row);
      start += member.count;
      next += member.logits;
    }
  }

  /** Puts `count` rows of a run's outputs from `from` on in their place in the step. */
  #copy(run: ort.InferenceSession.OnnxValueMapType, from: number, count: number, to: number): void {
    for (const { name, rowSize, values } of this.#gathered) {
      const part = dataOf(run[name]!).subarray(from * rowSize, (from + count) * rowSize);
      values.set(part instanceof BigInt64Array ? Array.from(part, Number) : part, to * rowSize);
    }
  }

  /** The members' `count` rows of the step's input, one after the other. */
  #rows(members: readonly StepItem[], count: number): Record<string, ort.Tensor> {
    const { config, range, activations } = this.#kind;
    const { hidden } = config;
    const isFirst = ownsEmbedding(range);
    const width = isFirst ? 1 : hidden;
    const input = this.#input.tokens ?? this.#input.hidden;
    const rows = isFirst ? new Int32Array(count) : newActivations(activations, count * hidden);
    let start = 0;
    for (const member of members) {
      const { row } = this.#starts.get(member)!;
      rows.set(input.subarray(row * width, (row + member.count) * width), start * width);
      start += member.count;
    }
    return rows instanceof Int32Array
      ? { tokens: int64([...rows], [count]) }
      : { hidden: hiddenFeed(rows, [count, hidden]) };
  }
}

/** Room for a step's output, `rows` of activations or `wanted` ones of logits, and the model's outputs that fill it. */
function emptyOutput(
  { bestOnly }: Pick<StepInput, 'bestOnly'>,
  { config: { hidden, vocabulary }, range, activations }: RowKind,
  rows: number,
  wanted: number,
): { output: StepOutput; gathered: readonly Gathered[] } {
  if (!ownsHead(range)) {
    const values = newActivations(activations, rows * hidden);
    return { output: { hidden: values }, gathered: [{ name: 'hidden_out', rowSize: hidden, values }] };
  }
  if (bestOnly === true) {
    const best = { tokens: new Int32Array(wanted), logits: new Float32Array(wanted) };
    const gathered = [
      { name: 'best', rowSize: 1, values: best.tokens },
      { name: 'best_logit', rowSize: 1, values: best.logits },
    ];
    return { output: { best }, gathered };
  }
  const values = new Float32Array(wanted * vocabulary);
  return { output: { logits: values }, gathered: [{ name: 'logits', rowSize: vocabulary, values }] };
}

/** Of float16 the bits, also where the runtime has an array of such numbers. */
function dataOf({ type, data }: ort.OnnxValue): Activations | BigInt64Array {
  const values = data as Activations | BigInt64Array;
  return type === 'float16' ? new Uint16Array(values.buffer, values.byteOffset, values.length) : values;
}

const hiddenFeed = (rows: Activations, shape: readonly number[]): ort.Tensor =>
  rows instanceof Float32Array
    ? new ort.Tensor('float32', rows, shape)
    : new ort.Tensor('float16', rows, shape);

/**
 * ONNX Runtime's reductions lose the shape of no rows at all, so a batch that wants no logits asks for one row;
 * `keep` takes only what was wanted.
 */
const logitRowsFeed = (rows: readonly number[]): ort.Tensor =>
  rows.length === 0 ? int64([0], [1]) : int64(rows, [rows.length]);
