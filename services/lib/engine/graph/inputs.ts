import type { ModelConfig } from '../../model/types.js';
import type { GraphBuilder, Value } from '../onnx/graph-builder.js';

/**
 * What every layer of a run shares. A run is `B` sequences with `S` new tokens each and `P` rows of cache
 * each, of which `pastMask` hides those not written yet.
 */
export interface StepInputs {
  /** i64 `[B, S]`: the row of `cos` and `sin` that belongs to each token. */
  readonly rotaryRows: Value;
  /** f32 `[B * S, headDim / 2]`: the rotary angles of this run's positions. */
  readonly cos: Value;
  readonly sin: Value;
  /** f32 `[B, 1, 1, P]` of 0 and -Infinity. */
  readonly pastMask: Value;
  /** f32 `[1, 1, heads / kvHeads * S, S]`, causal. */
  readonly newMask: Value;
  /** i64 `[2]`: P and S. */
  readonly pastAndNew: Value;
}

export function stepInputs(graph: GraphBuilder, { heads, kvHeads, headDim }: ModelConfig): StepInputs {
  return {
    rotaryRows: graph.input('rotary_rows', 'i64', ['B', 'S']),
    cos: graph.input('cos', 'f32', ['R', headDim / 2]),
    sin: graph.input('sin', 'f32', ['R', headDim / 2]),
    pastMask: graph.input('past_mask', 'f32', ['B', 1, 1, 'P']),
    newMask: graph.input('new_mask', 'f32', [1, 1, heads === kvHeads ? 'S' : 'G', 'S']),
    pastAndNew: graph.input('past_and_new', 'i64', [2]),
  };
}
