import type { WeightRule } from '../../model/quantize/weight-rule.js';
import type { ModelConfig } from '../../model/types.js';
import type { CacheArray, KvLayout } from '../kv/kv-layout.js';
import type { GraphBuilder, Value } from '../onnx/graph-builder.js';

/**
 * What every layer of a run shares. A run is `B` sequences with at most `S` new tokens each, `R` in all, and `P`
 * rows of cache each. All but attention works on the `R` rows; attention on `B * S` places, of which the last ones
 * of a shorter sequence are filled up. Per KV head, `T` products of `M` query rows each meet the keys: see
 * `queryShape`.
 */
export interface StepInputs {
  /** i64 `[B, S]`: the row that each place takes. */
  readonly rowsOfPlaces: Value;
  /** i64 `[R]`: the place of each row, of `B * S`. */
  readonly placesOfRows: Value;
  /** i64 `[B, S]`: the row of `cos` and `sin` that belongs to each token. */
  readonly rotaryRows: Value;
  /** f32 `[B * S, headDim / 2]`: the rotary angles of this run's positions. */
  readonly cos: Value;
  readonly sin: Value;
  /**
   * i64 `[5]`: `[B, kvHeads, T, M, headDim]`. Single tokens meet a cache of floats as `T = group` products of one
   * row, which the kernel computes straight from the cache; several, and any that meet integers, as `T = 1` product
   * of `M = group * S` rows, for which it first packs the cache, and so should do only once.
   */
  readonly queryShape: Value;
  /**
   * f32 `[B, 1, 1, M, P + S]`, or with one row for all `M` of a single token, of 0 and -Infinity: hides rows of the
   * cache that are not written yet, and later tokens.
   */
  readonly mask: Value;
  /** i64 `[2]`: P and S. */
  readonly pastAndNew: Value;
}

/** Adds these inputs to a graph. */
export function stepInputs(graph: GraphBuilder, { headDim }: ModelConfig): StepInputs {
  return {
    rowsOfPlaces: graph.input('rows_of_places', 'i64', ['B', 'S']),
    placesOfRows: graph.input('places_of_rows', 'i64', ['R']),
    rotaryRows: graph.input('rotary_rows', 'i64', ['B', 'S']),
    cos: graph.input('cos', 'f32', ['A', headDim / 2]),
    sin: graph.input('sin', 'f32', ['A', headDim / 2]),
    queryShape: graph.input('query_shape', 'i64', [5]),
    mask: graph.input('mask', 'f32', ['B', 1, 1, 'M', 'K']),
    pastAndNew: graph.input('past_and_new', 'i64', [2]),
  };
}

/** What attention asks of the cache of one layer; `T`, `M` and `P` as in `StepInputs`. */
export interface Past {
  /** Queries `[B, kvHeads, T, M, headDim]` times the cached keys: `[B, kvHeads, T, M, P]`. */
  scores(queries: Value): Value;
  /** The cached values, weighed by `[B, kvHeads, T, M, P]`: `[B, kvHeads, T, M, headDim]`. */
  mix(weights: Value): Value;
}

/** The input that holds an array of a layer's cache (`kv/kv-layout.ts`). */
export const pastName = (layer: number, array: string): string => `layer.${layer}.past_${array}`;

/** How the cache is kept and multiplied. */
export interface CacheKind {
  readonly layout: KvLayout;
  /** Where pairs of weights are bounded, so that no sum overflows, it is here what meets them: cached rows vary. */
  readonly weightRule: WeightRule;
}

/** Makes the arrays of a layer's cache inputs of the model. */
export function pastOf(graph: GraphBuilder, layer: number, { layout, weightRule }: CacheKind): Past {
  const input = ({ name, dtype, shape }: CacheArray): Value =>
    graph.input(pastName(layer, name), dtype, shape('B', 'P'));
  const [keys, keyScales] = layout.keys.map(input);
  const [values, valueScales] = layout.values.map(input);
  if (layout.precision === 'f32') return plainPast(graph, keys!, values!);
  return int8Past(graph, [keys!, keyScales!], [values!, valueScales!], weightRule === 'free' ? 8 : 7);
}

function plainPast(graph: GraphBuilder, keys: Value, values: Value): Past {
  return {
    scores: (queries) =>
      graph.node('FusedMatMul', [queries, keys], { domain: 'com.microsoft', attributes: { transB: 1 } }),
    mix: (weights) => graph.node('MatMul', [weights, values]),
  };
}

type Scaled = readonly [levels: Value, scales: Value];

/**
 * Queries are quantised by row, as activations are before a matrix; keys have a scale for each token, which is a
 * column there. Weights take up the scales of the values first, and are then quantised by row; as they are not
 * negative, their zero is 0.
 */
function int8Past(
  graph: GraphBuilder,
  [keys, keyScales]: Scaled,
  [values, valueScales]: Scaled,
  bits: 7 | 8,
): Past {
  const zero = 2 ** (bits - 1);
  const product = (rows: Value, unit: Value, matrix: Value, scales: Value, zeroPoint: Value): Value =>
    graph.node('MatMulIntegerToFloat', [rows, matrix, unit, scales, zeroPoint], { domain: 'com.microsoft' });
  /** Rows in units of a largest magnitude each, which the product is multiplied with again. */
  const byRow = (rows: Value, greatest: Value, levels: number, zeroPoint: Value, matrix: Scaled): Value => {
    const unit = graph.scalar('f32', 1 / levels);
    const quantized = graph.node('QuantizeLinear', [graph.node('Div', [rows, greatest]), unit, zeroPoint]);
    return graph.node('Mul', [product(quantized, unit, ...matrix, zeroPoint), greatest]);
  };
  return {
    scores(queries) {
      const greatest = graph.node('ReduceMax', [graph.node('Abs', [queries]), graph.ints(-1)]);
      return byRow(queries, greatest, zero - 1, graph.scalar('u8', zero), [keys, keyScales]);
    },
    mix(weights) {
      const scaled = graph.node('Mul', [weights, valueScales]);
      const greatest = graph.node('ReduceMax', [scaled, graph.ints(-1)]);
      const one = graph.scalar('f32', 1);
      return byRow(scaled, greatest, 2 * zero - 1, graph.scalar('u8', 0), [values, one]);
    },
  };
}
