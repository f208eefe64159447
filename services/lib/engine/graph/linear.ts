import { ServingError } from '../../errors/serving-error.js';
import type { FileRecord, TensorRecord } from '../../model/shards/format.js';
import type { GraphBuilder, Value } from '../onnx/graph-builder.js';

/** The tensors of one shard file, as values of a graph. Throws `shards_invalid` for one that the file does not have. */
export class Weights {
  readonly #graph: GraphBuilder;
  readonly #file: FileRecord;

  constructor(graph: GraphBuilder, file: FileRecord) {
    this.#graph = graph;
    this.#file = file;
  }

  has(name: string): boolean {
    return name in this.#file.tensors;
  }

  /** As it is stored, outermost first. */
  shape(name: string): readonly number[] {
    return this.#tensor(name).shape;
  }

  value(name: string): Value {
    return this.#graph.weight(name, { ...this.#tensor(name), file: this.#file.name });
  }

  #tensor(name: string): TensorRecord {
    const tensor = this.#file.tensors[name];
    if (tensor === undefined) {
      throw new ServingError('shards_invalid', `${this.#file.name} has no tensor ${name}`);
    }
    return tensor;
  }
}

/** Rows `[R, n]` that are still to be multiplied by a factor each, `[R, 1]`; null where there is none. */
export interface ScaledRows {
  readonly rows: Value;
  readonly scale: Value | null;
}

/** `x [R, in]` times a matrix: `[R, out]`, in the precision in which the shard keeps the matrix. */
export function linear(graph: GraphBuilder, x: Value, weights: Weights, name: string): Value {
  return scaled(graph, products(graph, { rows: x, scale: null }, weights, [name])[0]!);
}

/** The rows, multiplied. */
export const scaled = (graph: GraphBuilder, { rows, scale }: ScaledRows): Value =>
  scale === null ? rows : graph.node('Mul', [rows, scale]);

/**
 * The same rows times several matrices of one kind, which expect them rotated alike: they are quantised once. The
 * products are left unscaled.
 */
export function products(
  graph: GraphBuilder,
  x: ScaledRows,
  weights: Weights,
  names: readonly string[],
): ScaledRows[] {
  const [first] = names;
  if (!weights.has(`${first!}.scale`))
    return names.map((name) => floatProduct(graph, x, weights.value(name)));
  const rotation = `${first!}.rotation`;
  const rows = weights.has(rotation) ? rotate(graph, x.rows, weights, rotation) : x.rows;
  return int8Products(graph, { rows, scale: x.scale }, weights, names);
}

function floatProduct(graph: GraphBuilder, { rows, scale }: ScaledRows, matrix: Value): ScaledRows {
  const attributes = { transB: 1 };
  return { rows: graph.node('FusedMatMul', [rows, matrix], { domain: 'com.microsoft', attributes }), scale };
}

/** Rotates each run of values as long as the matrix; what the weights expect where nothing before could do it. */
function rotate(graph: GraphBuilder, x: Value, weights: Weights, name: string): Value {
  const [size] = weights.shape(name);
  const runs = graph.node('Reshape', [x, graph.ints(0, -1, size!)]);
  const rotated = graph.node('MatMul', [runs, weights.value(name)]);
  return graph.node('Reshape', [rotated, graph.ints(0, -1)]);
}

/**
 * Integer products of rows quantised on the fly with matrices quantised per output channel: u8 · s8, the form
 * in which processors have instructions for it. What a row is to be multiplied by does not change its levels.
 */
function int8Products(
  graph: GraphBuilder,
  { rows, scale }: ScaledRows,
  weights: Weights,
  names: readonly string[],
): ScaledRows[] {
  const quantized = quantizeRows(graph, rows);
  const whole = scaled(graph, { rows: quantized.scale, scale });
  return names.map((name) => ({
    rows: graph.node(
      'MatMulIntegerToFloat',
      [
        quantized.values,
        weights.value(name),
        quantized.unit,
        weights.value(`${name}.scale`),
        quantized.zeroPoint,
      ],
      { domain: 'com.microsoft' },
    ),
    scale: whole,
  }));
}

interface QuantizedRows {
  /** u8, 128 standing for zero. */
  readonly values: Value;
  readonly zeroPoint: Value;
  /** The step of `values`, for a row whose largest magnitude is 1. */
  readonly unit: Value;
  /** Each row's largest magnitude, `[..., 1]`. */
  readonly scale: Value;
}

/**
 * Quantises each row (token) by its own largest magnitude, so that a token's result does not depend on what
 * else is in the batch. A row of zeros becomes 0/0, which quantises to anything and is then scaled by 0.
 */
function quantizeRows(graph: GraphBuilder, x: Value): QuantizedRows {
  const scale = graph.node('ReduceMax', [graph.node('Abs', [x]), graph.ints(-1)]);
  const unit = graph.scalar('f32', 1 / 127);
  const zeroPoint = graph.scalar('u8', 128);
  const values = graph.node('QuantizeLinear', [graph.node('Div', [x, scale]), unit, zeroPoint]);
  return { values, zeroPoint, unit, scale };
}
