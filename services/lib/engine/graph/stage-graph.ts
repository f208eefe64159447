import { EMBED_FILE, HEAD_FILE, layerFile } from '../../model/shards/format.js';
import type { Shards } from '../../model/shards/open-shards.js';
import { GraphBuilder, type Value } from '../onnx/graph-builder.js';
import { type LayerRange, ownsEmbedding, ownsHead } from '../types.js';
import { block } from './block.js';
import { stepInputs } from './inputs.js';
import { linear } from './linear.js';
import { normed, type Residual, sum } from './norm.js';
import type { CacheKind } from './past.js';
import { Weights } from './weights.js';

/** The shard files that a range reads, and no other. */
export function filesOf(range: LayerRange): string[] {
  const layers = Array.from({ length: range.end - range.start }, (_, index) =>
    layerFile(range.start + index),
  );
  return [...(ownsEmbedding(range) ? [EMBED_FILE] : []), ...layers, ...(ownsHead(range) ? [HEAD_FILE] : [])];
}

/**
 * The ONNX model of the layers `[start, end)`: from `tokens [B, S]` (stage 0) or `hidden [B, S, hidden]` to
 * `hidden_out`, or in the head to `logits [W, vocabulary]` of the rows that `logit_rows` names, or to the `best` token
 * and the `best_logit` of each, `[W, 1]`; and to
 * `new_rows`, this step's rows of the cache: keys and values of each layer, `[B, kvHeads, 1, S, headDim]`
 * each, one after the other. Weights stay in the shard files.
 */
export function stageGraph(shards: Shards, range: LayerRange, cache: CacheKind): Uint8Array {
  const graph = new GraphBuilder(`layers ${range.start}-${range.end}`);
  const { hidden } = shards.config;
  const inputs = stepInputs(graph, shards.config);

  let residual: Residual = {
    stream: ownsEmbedding(range)
      ? embedding(graph, shards)
      : graph.input('hidden', 'f32', ['B', 'S', hidden]),
    delta: null,
  };
  const newRows: Value[] = [];
  for (let layer = range.start; layer < range.end; layer++) {
    const built = graph.scoped(`layer.${layer}`, () => block(graph, shards, layer, residual, inputs, cache));
    residual = built.residual;
    newRows.push(...built.newRows);
  }
  // One output instead of two a layer: each costs an allocation and a copy on its way to JavaScript.
  const joined = graph.node('Concat', newRows, { attributes: { axis: 0 } });
  graph.output('new_rows', joined, 'f32', ['N', shards.config.kvHeads, 1, 'S', shards.config.headDim]);

  if (ownsHead(range)) {
    const logits = head(graph, shards, residual);
    const best = graph.node('ArgMax', [logits], { attributes: { axis: -1, keepdims: 1 } });
    const bestLogit = graph.node('GatherElements', [logits, best], { attributes: { axis: -1 } });
    graph.output('logits', logits, 'f32', ['W', shards.config.vocabulary]);
    graph.output('best', best, 'i64', ['W', 1]);
    graph.output('best_logit', bestLogit, 'f32', ['W', 1]);
  } else {
    graph.output('hidden_out', sum(graph, residual), 'f32', ['B', 'S', hidden]);
  }
  return graph.build();
}

function embedding(graph: GraphBuilder, shards: Shards): Value {
  const table = new Weights(graph, shards.file(EMBED_FILE)).value('embed');
  const rows = graph.node('Gather', [table, graph.input('tokens', 'i64', ['B', 'S'])]);
  return graph.node('Cast', [rows], { attributes: { to: 1 } });
}

/** Final norm and LM head, of the rows that want logits only. */
function head(graph: GraphBuilder, shards: Shards, residual: Residual): Value {
  const { config } = shards;
  const weights = new Weights(graph, shards.file(HEAD_FILE));
  const rows = graph.node('Reshape', [sum(graph, residual), graph.ints(-1, config.hidden)]);
  const wanted = graph.node('Gather', [rows, graph.input('logit_rows', 'i64', ['W'])]);
  const { normed: x } = normed(
    graph,
    { stream: wanted, delta: null },
    weights.value('final_norm'),
    config.normEpsilon,
  );
  return linear(graph, x, weights, 'head');
}
