import ort from 'onnxruntime-node';
import type { ModelConfig } from '../model/types.js';
import type { KvBatch } from './kv/kv-cache.js';
import { type LayerRange, ownsEmbedding, ownsHead, type StepInput, type StepOutput } from './types.js';

interface Place {
  /** First row of the sequence in the step's input and output. */
  readonly row: number;
  /** Row of the logits, or null where none are wanted. */
  readonly logits: number | null;
}

/** Carries rows between a step, in the order of its items, and its batches, in the order of cache slots. */
export class StepRows {
  readonly #input: StepInput;
  readonly #range: LayerRange;
  readonly #config: ModelConfig;
  readonly #places = new Map<string, Place>();
  readonly #output: Float32Array;

  constructor(input: StepInput, range: LayerRange, config: ModelConfig) {
    this.#input = input;
    this.#range = range;
    this.#config = config;
    let rows = 0;
    let wanted = 0;
    for (const { sequence, count, wantLogits } of input.items) {
      this.#places.set(sequence, { row: rows, logits: wantLogits ? wanted++ : null });
      rows += count;
    }
    this.#output = new Float32Array(ownsHead(range) ? wanted * config.vocabulary : rows * config.hidden);
  }

  get output(): StepOutput {
    return ownsHead(this.#range) ? { logits: this.#output } : { hidden: this.#output };
  }

  /** The batch's token ids or activations, and in the head which of its rows want logits. */
  feeds({ members, count }: KvBatch): Record<string, ort.Tensor> {
    const places = members.map(({ sequence }) => this.#places.get(sequence)!);
    const feeds: Record<string, ort.Tensor> = {};
    if (ownsEmbedding(this.#range)) {
      const tokens = places.flatMap(({ row }) => [...this.#input.tokens!.subarray(row, row + count)]);
      feeds['tokens'] = int64(tokens, [members.length, count]);
    } else {
      const { hidden } = this.#config;
      const rows = new Float32Array(members.length * count * hidden);
      for (const [index, { row }] of places.entries()) {
        rows.set(this.#input.hidden!.subarray(row * hidden, (row + count) * hidden), index * count * hidden);
      }
      feeds['hidden'] = new ort.Tensor('float32', rows, [members.length, count, hidden]);
    }
    if (ownsHead(this.#range)) {
      const lastRows = places.flatMap(({ logits }, index) =>
        logits === null ? [] : [(index + 1) * count - 1],
      );
      // ONNX Runtime's reductions lose the shape of no rows at all, so a batch that wants none asks for one;
      // `keep` takes only what was wanted.
      const rows = lastRows.length === 0 ? [0] : lastRows;
      feeds['logit_rows'] = int64(rows, [rows.length]);
    }
    return feeds;
  }

  /** Puts what a run returned in its place in the step's output. */
  keep({ members, count }: KvBatch, outputs: ort.InferenceSession.OnnxValueMapType): void {
    const { hidden, vocabulary } = this.#config;
    const places = members.map(({ sequence }) => this.#places.get(sequence)!);
    if (ownsHead(this.#range)) {
      const logits = outputs['logits']!.data as Float32Array;
      const wanted = places.flatMap((place) => place.logits ?? []);
      for (const [index, row] of wanted.entries()) {
        this.#output.set(logits.subarray(index * vocabulary, (index + 1) * vocabulary), row * vocabulary);
      }
    } else {
      const rows = outputs['hidden_out']!.data as Float32Array;
      for (const [index, { row }] of places.entries()) {
        const start = index * count * hidden;
        this.#output.set(rows.subarray(start, start + count * hidden), row * hidden);
      }
    }
  }
}

const int64 = (values: number[], shape: number[]): ort.Tensor =>
  new ort.Tensor('int64', BigInt64Array.from(values, BigInt), shape);
