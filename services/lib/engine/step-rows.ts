import ort from 'onnxruntime-node';
import { type Activations, newActivations } from '../model/activations.js';
import type { KvBatch } from './kv/kv-cache.js';
import { int64 } from './int64.js';
import { RunOutputs } from './run-outputs.js';
import { ownsEmbedding, ownsHead } from '../model/split.js';
import { type RowKind, type StepInput, type StepOutput } from './types.js';

interface Place {
  /** First row of the sequence in the step's input and output. */
  readonly row: number;
  /** First of its rows of logits in the step's output, and how many they are. */
  readonly logitRow: number;
  readonly logits: number;
}

/** Carries rows between a step, in the order of its items, and its batches, in the order of cache slots. */
export class StepRows {
  readonly #input: StepInput;
  readonly #kind: RowKind;
  readonly #places = new Map<string, Place>();
  readonly #outputs: RunOutputs;

  constructor(input: StepInput, kind: RowKind) {
    this.#input = input;
    this.#kind = kind;
    let rows = 0;
    let wanted = 0;
    for (const { sequence, count, logits } of input.items) {
      this.#places.set(sequence, { row: rows, logitRow: wanted, logits });
      rows += count;
      wanted += logits;
    }
    this.#outputs = new RunOutputs(input, kind, { rows, wanted });
  }

  get output(): StepOutput {
    return this.#outputs.output;
  }

  /** The outputs of the model that `keep` needs of a run. */
  get fetches(): readonly string[] {
    return this.#outputs.names;
  }

  /**
   * The batch's token ids or activations, where they are among the places of its members, and in the head which
   * rows want logits. A member that is shorter than the batch has its last row in the places that are left: any
   * would do that has finite numbers, since real ones never look at it.
   */
  feeds({ members, count }: KvBatch): Record<string, ort.Tensor> {
    const rowsOfPlaces: number[] = [];
    const placesOfRows: number[] = [];
    const logitRows: number[] = [];
    let start = 0;
    for (const [index, member] of members.entries()) {
      const { logits } = this.#places.get(member.sequence)!;
      const end = start + member.count;
      for (let offset = 0; offset < count; offset++) rowsOfPlaces.push(Math.min(start + offset, end - 1));
      for (let row = 0; row < member.count; row++) placesOfRows.push(index * count + row);
      for (let row = end - logits; row < end; row++) logitRows.push(row);
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
  keep({ members }: KvBatch, outputs: ort.InferenceSession.OnnxValueMapType): void {
    let [start, next] = [0, 0];
    for (const member of members) {
      const { row, logitRow, logits } = this.#places.get(member.sequence)!;
      if (ownsHead(this.#kind.range)) this.#outputs.copy(outputs, next, logits, logitRow);
      else this.#outputs.copy(outputs, start, member.count, row);
      start += member.count;
      next += logits;
    }
  }

  /** The members' `count` rows of the step's input, one after the other. */
  #rows(members: KvBatch['members'], count: number): Record<string, ort.Tensor> {
    const { config, range, activations } = this.#kind;
    const { hidden } = config;
    const isFirst = ownsEmbedding(range);
    const width = isFirst ? 1 : hidden;
    const input = isFirst ? this.#input.tokens! : this.#input.hidden!;
    const rows = isFirst ? new Int32Array(count) : newActivations(activations, count * hidden);
    let start = 0;
    for (const member of members) {
      const { row } = this.#places.get(member.sequence)!;
      rows.set(input.subarray(row * width, (row + member.count) * width), start * width);
      start += member.count;
    }
    return rows instanceof Int32Array
      ? { tokens: int64([...rows], [count]) }
      : { hidden: hiddenFeed(rows, [count, hidden]) };
  }
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
