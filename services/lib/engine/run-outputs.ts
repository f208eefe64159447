import type ort from 'onnxruntime-node';
import { type Activations, newActivations } from '../model/activations.js';
import { ownsHead } from '../model/split.js';
import { type RowKind, type StepInput, type StepOutput } from './types.js';

/** Rows of one output of the model, gathered over the runs of a step. */
interface Gathered {
  /** The model's name for it. */
  readonly name: string;
  readonly rowSize: number;
  readonly values: Activations | Int32Array;
}

/** The step's output as it is gathered from its runs, and which of the model's outputs they are asked for. */
export class RunOutputs {
  readonly #gathered: readonly Gathered[];
  readonly output: StepOutput;

  /** `rows` are all of the step's, `wanted` those of them that want logits. */
  constructor(
    { bestOnly }: Pick<StepInput, 'bestOnly'>,
    { config: { hidden, vocabulary }, range, activations }: RowKind,
    { rows, wanted }: { readonly rows: number; readonly wanted: number },
  ) {
    if (!ownsHead(range)) {
      const values = newActivations(activations, rows * hidden);
      this.output = { hidden: values };
      this.#gathered = [{ name: 'hidden_out', rowSize: hidden, values }];
    } else if (bestOnly === true) {
      const best = { tokens: new Int32Array(wanted), logits: new Float32Array(wanted) };
      this.output = { best };
      this.#gathered = [
        { name: 'best', rowSize: 1, values: best.tokens },
        { name: 'best_logit', rowSize: 1, values: best.logits },
      ];
    } else {
      const values = new Float32Array(wanted * vocabulary);
      this.output = { logits: values };
      this.#gathered = [{ name: 'logits', rowSize: vocabulary, values }];
    }
  }

  get names(): string[] {
    return this.#gathered.map(({ name }) => name);
  }

  /** Puts `count` rows of a run's outputs from `from` on in their place in the step. */
  copy(run: ort.InferenceSession.OnnxValueMapType, from: number, count: number, to: number): void {
    for (const { name, rowSize, values } of this.#gathered) {
      const rows = dataOf(run[name]!);
      const part = rows.subarray(from * rowSize, (from + count) * rowSize);
      values.set(part instanceof BigInt64Array ? Array.from(part, Number) : part, to * rowSize);
    }
  }
}

/** Of float16 the bits, also where the runtime has an array of such numbers. */
function dataOf({ type, data }: ort.OnnxValue): Activations | BigInt64Array {
  const values = data as Activations | BigInt64Array;
  return type === 'float16' ? new Uint16Array(values.buffer, values.byteOffset, values.length) : values;
}
