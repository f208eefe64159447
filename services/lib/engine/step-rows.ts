import ort from 'onnxruntime-node';
import type { ModelConfig } from '../model/types.js';
import type { KvBatch } from './kv/kv-cache.js';
import { RunOutputs } from './run-outputs.js';
import { type LayerRange, ownsEmbedding, ownsHead, type StepInput, type StepOutput } from './types.js';

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
  readonly #range: LayerRange;
  readonly #config: ModelConfig;
  readonly #places = new Map<string, Place>();
  readonly #outputs: RunOutputs;

  constructor(input: StepInput, range: LayerRange, config: ModelConfig) {
    this.#input = input;
    this.#range = range;
    this.#config = config;
    let rows = 0;
    let wanted = 0;
    for (const { sequence, count, logits } of input.items) {
      this.#places.set(sequence, { row: rows, logitRow: wanted, logits });
      rows += count;
      wanted += logits;
    }
    this.#outputs = new RunOutputs(input, range, config, { rows, wanted });
  }

  get output(): StepOutput {
    return this.#outputs.output;
  }

  /** The outputs of the model that `keep` needs of a run. */
  get fetches(): readonly string[] {
    return this.#outputs.names;
  }

  /**
   * The batch's token ids or activations, and in the head which of its rows want logits. A member that is
   * shorter than the batch is filled up with its last row, again and again: any row would do that has finite
   * numbers, since real ones never look at it.
   */
  feeds({ members, count }: KvBatch): Record<string, ort.Tensor> {
    const feeds: Record<string, ort.Tensor> = {};
    if (ownsEmbedding(this.#range)) {
      const tokens = new BigInt64Array(members.length * count);
      this.#gather(members, count, (from, to) => (tokens[to] = BigInt(this.#input.tokens![from]!)));
      feeds['tokens'] = new ort.Tensor('int64', tokens, [members.length, count]);
    } else {
      const { hidden } = this.#config;
      const rows = new Float32Array(members.length * count * hidden);
      this.#gather(members, count, (from, to) =>
        rows.set(this.#input.hidden!.subarray(from * hidden, (from + 1) * hidden), to * hidden),
      );
      feeds['hidden'] = new ort.Tensor('float32', rows, [members.length, count, hidden]);
    }
    if (ownsHead(this.#range)) {
      const wanted = members.flatMap((member, index) => {
        const { logits } = this.#places.get(member.sequence)!;
        const end = index * count + member.count;
        return Array.from({ length: logits }, (_, row) => end - logits + row);
      });
      // ONNX Runtime's reductions lose the shape of no rows at all, so a batch that wants none asks for one;
      // `keep` takes only what was wanted.
      const rows = wanted.length === 0 ? [0] : wanted;
      feeds['logit_rows'] = new ort.Tensor('int64', BigInt64Array.from(rows, BigInt), [rows.length]);
    }
    return feeds;
  }

  /** Puts what a run returned in its place in the step's output. */
  keep({ members, count }: KvBatch, outputs: ort.InferenceSession.OnnxValueMapType): void {
    let next = 0;
    for (const [index, member] of members.entries()) {
      const { row, logitRow, logits } = this.#places.get(member.sequence)!;
      if (ownsHead(this.#range)) this.#outputs.copy(outputs, next, logits, logitRow);
      else this.#outputs.copy(outputs, index * count, member.count, row);
      next += logits;
    }
  }

  /** Calls `copy` with the row of the step for each row of a batch. */
  #gather(members: KvBatch['members'], count: number, copy: (from: number, to: number) => void): void {
    for (const [index, member] of members.entries()) {
      const { row } = this.#places.get(member.sequence)!;
      for (let offset = 0; offset < count; offset++) {
        copy(row + Math.min(offset, member.count - 1), index * count + offset);
      }
    }
  }
}
