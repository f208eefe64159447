import type { ActivationType } from '../../model/activations.js';
import { type LayerRange, ownsEmbedding, ownsHead } from '../../model/split.js';
import { EMBED_FILE, HEAD_FILE, layerFile } from '../../model/shards/format.js';
import type { Shards } from '../../model/shards/open-shards.js';
import type { KvLayout } from '../kv/kv-layout.js';
import { DataType, type Dimension, GraphBuilder, type Value } from '../onnx/graph-builder.js';
import { block, normed, type Residual, sum } from './block.js';
import { type CacheKind, stepInputs } from './inputs.js';
import { linear, Weights } from './linear.js';

/** The outputs that hold the new rows of the cache, one for each array of its layout. */
export const NEW_ROWS = ['new_rows', 'new_scales'] as const;

/** The shard files that a range reads, and no other. */
export function filesOf(range: LayerRange): string[] {
  const layers = Array.from({ length: range.end - range.start }, (_, index) =>
    layerFile(range.start + index),
  );
  return [...(ownsEmbedding(range) ? [EMBED_FILE] : []), ...layers, ...(ownsHead(range) ? [HEAD_FILE] : [])];
}

/**
 * The ONNX model of the layers `[start, end)`: from `tokens [R]` (stage 0) or `hidden [R, hidden]` to
 * `hidden_out`, or in the head to `logits [W, vocabulary]` of the rows that `logit_rows` names, and the `best` token
 * and `best_logit` of each, `[W, 1]`; and to the new rows of the cache, this step's keys and values of each layer,
 * `[B, kvHeads, 1, S, headDim]` each, one after the other, as the cache keeps them. Weights stay in the shard files.
 */
export function stageGraph(
  shards: Shards,
  range: LayerRange,
  cache: CacheKind,
  activations: ActivationType,
): Uint8Array {
  const graph = new GraphBuilder(`layers ${range.start}-${range.end}`);
  const { hidden } = shards.config;
  const inputs = stepInputs(graph, shards.config);

  let residual: Residual = {
    stream: ownsEmbedding(range) ? embedding(graph, shards) : received(graph, hidden, activations),
    delta: null,
  };
  const newRows: Value[] = [];
  for (let layer = range.start; layer < range.end; layer++) {
    const built = graph.scoped(`layer.${layer}`, () => block(graph, shards, layer, residual, inputs, cache));
    residual = built.residual;
    newRows.push(...built.newRows);
  }
  newRowsOf(graph, newRows, cache.layout);

  if (ownsHead(range)) {
    const logits = head(graph, shards, residual);
    const best = graph.node('ArgMax', [logits], { attributes: { axis: -1, keepdims: 1 } });
    const bestLogit = graph.node('GatherElements', [logits, best], { attributes: { axis: -1 } });
    graph.output('logits', logits, 'f32', ['W', shards.config.vocabulary]);
    graph.output('best', best, 'i64', ['W', 1]);
    graph.output('best_logit', bestLogit, 'f32', ['W', 1]);
  } else {
    const sent = sum(graph, residual);
    const written = activations === 'f32' ? sent : cast(graph, sent, activations);
    graph.output('hidden_out', written, activations, ['R', hidden]);
  }
  return graph.build();
}

/** One output, or for each of two arrays one, instead of two a layer: each costs an allocation and a copy. */
function newRowsOf(graph: GraphBuilder, rows: readonly Value[], { precision, shape }: KvLayout): void {
  const joined = graph.node('Concat', rows, { attributes: { axis: 0 } });
  const ofWidth = (width: number): Dimension[] => ['N', shape.kvHeads, 1, 'S', width];
  if (precision === 'f32') {
    graph.output(NEW_ROWS[0], joined, 'f32', ofWidth(shape.headDim));
    return;
  }
  const greatest = graph.node('ReduceMax', [graph.node('Abs', [joined]), graph.ints(-1)]);
  const unit = graph.scalar('f32', 1 / 127);
  const levels = graph.node('QuantizeLinear', [
    graph.node('Div', [joined, greatest]),
    unit,
    graph.scalar('i8', 0),
  ]);
  graph.output(NEW_ROWS[0], levels, 'i8', ofWidth(shape.headDim));
  graph.output(NEW_ROWS[1], graph.node('Mul', [greatest, unit]), 'f32', ofWidth(1));
}

function embedding(graph: GraphBuilder, shards: Shards): Value {
  const table = new Weights(graph, shards.file(EMBED_FILE)).value('embed');
  const rows = graph.node('Gather', [table, graph.input('tokens', 'i64', ['R'])]);
  return cast(graph, rows, 'f32');
}

/** What the stage before has sent. */
function received(graph: GraphBuilder, hidden: number, type: ActivationType): Value {
  const rows = graph.input('hidden', type, ['R', hidden]);
  return type === 'f32' ? rows : cast(graph, rows, 'f32');
}

const cast = (graph: GraphBuilder, value: Value, type: ActivationType): Value =>
  graph.node('Cast', [value], { attributes: { to: DataType[type] } });

/** Final norm and LM head, of the rows that want logits only. */
function head(graph: GraphBuilder, shards: Shards, residual: Residual): Value {
  const { config } = shards;
  const weights = new Weights(graph, shards.file(HEAD_FILE));
  const wanted = graph.node('Gather', [sum(graph, residual), graph.input('logit_rows', 'i64', ['W'])]);
  const { normed: x } = normed(
    graph,
    { stream: wanted, delta: null },
    weights.value('final_norm'),
    config.normEpsilon,
  );
  return linear(graph, x, weights, 'head');
}
