import type { ModelConfig } from '../../model/types.js';
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
