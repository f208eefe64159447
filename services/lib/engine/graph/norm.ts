import type { GraphBuilder, Value } from '../onnx/graph-builder.js';

/** The residual stream, and what the last block has computed but not yet added to it. */
export interface Residual {
  readonly stream: Value;
  readonly delta: Value | null;
}

/** RMSNorm of the residual stream; the pending addition is done by the same kernel. */
export function normed(
  graph: GraphBuilder,
  { stream, delta }: Residual,
  weight: Value,
  epsilon: number,
): { normed: Value; stream: Value } {
  const attributes = { epsilon: { float: epsilon } };
  if (delta === null) {
    return { normed: graph.node('SimplifiedLayerNormalization', [stream, weight], { attributes }), stream };
  }
  const [output, , , sum] = graph.nodes('SkipSimplifiedLayerNormalization', [stream, delta, weight], 4, {
    domain: 'com.microsoft',
    attributes,
  });
  return { normed: output!, stream: sum! };
}

/** The residual stream with everything added to it. */
export const sum = (graph: GraphBuilder, { stream, delta }: Residual): Value =>
  delta === null ? stream : graph.node('Add', [stream, delta]);
