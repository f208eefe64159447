import type { ModelConfig } from '../../model/types.js';
import type { GraphBuilder, Value } from '../onnx/graph-builder.js';
import type { StepInputs } from './inputs.js';
import { linear } from './linear.js';
import type { Weights } from './weights.js';

export interface Attention {
  /** `[B, S, hidden]` */
  readonly output: Value;
  /** This step's rows of the KV cache, `[B, kvHeads, S, headDim]`. */
  readonly newKey: Value;
  readonly newValue: Value;
}

/**
 * Grouped-query attention over a cache that is only read: the scores against the past and against this
 * step's own keys are computed apart, share one softmax, and weigh the past and the new values apart. So
 * nothing has to be appended to the cache inside the graph, and only the new rows leave it.
 */
export function attention(
  graph: GraphBuilder,
  x: Value,
  weights: Weights,
  past: { key: Value; value: Value },
  inputs: StepInputs,
  config: ModelConfig,
): Attention {
  const { heads, kvHeads, headDim } = config;
  const group = heads / kvHeads;
  const [q, k, v] = graph.nodes(
    'Split',
    [linear(graph, x, weights, 'qkv'), graph.ints(heads * headDim, kvHeads * headDim, kvHeads * headDim)],
    3,
    { attributes: { axis: -1 } },
  );
  const rotate = (values: Value, count: number): Value =>
    graph.node('RotaryEmbedding', [values, inputs.rotaryRows, inputs.cos, inputs.sin], {
      domain: 'com.microsoft',
      attributes: { num_heads: count },
    });

  // [B, S, heads * headDim] -> [B, kvHeads, group * S, headDim]: the queries of a KV head side by side.
  const query = reshaped(
    graph,
    transposed(graph, reshaped(graph, rotate(q!, heads), [0, -1, kvHeads, group, headDim]), [0, 2, 3, 1, 4]),
    [0, kvHeads, -1, headDim],
  );
  // [B, S, kvHeads * headDim] -> [B, kvHeads, S, headDim]
  const perHead = (values: Value): Value =>
    transposed(graph, reshaped(graph, values, [0, -1, kvHeads, headDim]), [0, 2, 1, 3]);
  const newKey = perHead(rotate(k!, kvHeads));
  const newValue = perHead(v!);

  const scores = (keys: Value, mask: Value): Value => {
    const product = graph.node('FusedMatMul', [query, keys], {
      domain: 'com.microsoft',
      attributes: { transB: 1, alpha: { float: 1 / Math.sqrt(headDim) } },
    });
    return graph.node('Add', [product, mask]);
  };
  const joined = graph.node('Concat', [scores(past.key, inputs.pastMask), scores(newKey, inputs.newMask)], {
    attributes: { axis: -1 },
  });
  const probabilities = graph.node('Softmax', [joined], { attributes: { axis: -1 } });
  const [toPast, toNew] = graph.nodes('Split', [probabilities, inputs.pastAndNew], 2, {
    attributes: { axis: -1 },
  });
  const mixed = graph.node('Add', [
    graph.node('MatMul', [toPast!, past.value]),
    graph.node('MatMul', [toNew!, newValue]),
  ]);

  const flat = reshaped(
    graph,
    transposed(graph, reshaped(graph, mixed, [0, kvHeads, group, -1, headDim]), [0, 3, 1, 2, 4]),
    [0, -1, heads * headDim],
  );
  return { output: linear(graph, flat, weights, 'o'), newKey, newValue };
}

/** `0` keeps a dimension, `-1` takes what is left. */
const reshaped = (graph: GraphBuilder, value: Value, shape: number[]): Value =>
  graph.node('Reshape', [value, graph.ints(...shape)]);

const transposed = (graph: GraphBuilder, value: Value, perm: number[]): Value =>
  graph.node('Transpose', [value], { attributes: { perm } });
