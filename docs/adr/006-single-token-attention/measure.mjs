// The numbers of ADR 006: attention alone, thirty blocks of SmolLM2-135M's shape, each with a cache of its own.
//     npm run build
//     node docs/adr/006-single-token-attention/measure.mjs --sequences 16 --cached 256 --new 1
import { parseArgs } from 'node:util';
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import ort from 'onnxruntime-node';
import {
  ModelProtoSchema,
  OperatorSetIdProtoSchema,
} from '../../../dist/services/lib/engine/onnx/gen/onnx_pb.js';
import { GraphBuilder } from '../../../dist/services/lib/engine/onnx/graph-builder.js';

const { values } = parseArgs({
  options: {
    sequences: { type: 'string', default: '16' },
    cached: { type: 'string', default: '256' },
    new: { type: 'string', default: '1' },
    threads: { type: 'string', default: '2' },
    runs: { type: 'string', default: '12' },
  },
});
const [B, P, S] = [values.sequences, values.cached, values.new].map(Number);
const [LAYERS, HEADS, KV_HEADS, GROUP, DIM] = [30, 9, 3, 3, 64];
const INT32 = 6;
const ms = 'com.microsoft';

/** Between 0.6 and 0.9 of the rows hold tokens. */
const lengths = Array.from({ length: B }, (_, b) => Math.floor(P * 0.6) + ((b * 7) % Math.floor(P * 0.3)));
const total = Math.max(...lengths) + S;

const reshape = (graph, value, shape) => graph.node('Reshape', [value, graph.ints(...shape)]);
const transpose = (graph, value, perm) => graph.node('Transpose', [value], { attributes: { perm } });

/** Our own: past and new apart, in products of `group` rows at once, or of one row each. */
const apart =
  (rowByRow) =>
  (graph, { q, k, v, mask, parts }) => {
    const split = (value, heads) =>
      transpose(graph, reshape(graph, value, [0, -1, KV_HEADS, heads, DIM]), [0, 2, 3, 1, 4]);
    const rows = rowByRow ? [0, KV_HEADS, GROUP, -1, DIM] : [0, KV_HEADS, 1, -1, DIM];
    const query = reshape(graph, split(q, GROUP), rows);
    const [key, value] = [split(k, 1), split(v, 1)];
    const attributes = rowByRow ? { transB: 1 } : { transB: 1, alpha: { float: 1 / 8 } };
    const against = (keys) => graph.node('FusedMatMul', [query, keys], { domain: ms, attributes });
    return (pastKey, pastValue) => {
      const scores = graph.node('Concat', [against(pastKey), against(key)], { attributes: { axis: -1 } });
      const weights = graph.node('Softmax', [graph.node('Add', [scores, mask])], {
        attributes: { axis: -1 },
      });
      const [toPast, toNew] = graph.nodes('Split', [weights, parts], 2, { attributes: { axis: -1 } });
      const mixed = graph.node('Add', [
        graph.node('MatMul', [toPast, pastValue]),
        graph.node('MatMul', [toNew, value]),
      ]);
      const byHead = reshape(graph, mixed, [0, KV_HEADS, GROUP, -1, DIM]);
      return reshape(graph, transpose(graph, byHead, [0, 3, 1, 2, 4]), [0, -1, HEADS * DIM]);
    };
  };

/** The way of ADR 010: integers from the cache, keys transposed, queries and weights in 7 bits. */
const inBytes = (graph, { q, k, v, mask, parts }) => {
  const split = (value, heads) =>
    transpose(graph, reshape(graph, value, [0, -1, KV_HEADS, heads, DIM]), [0, 2, 3, 1, 4]);
  const query = reshape(graph, split(q, GROUP), [0, KV_HEADS, 1, -1, DIM]);
  const [key, value] = [split(k, 1), split(v, 1)];
  const product = (rows, greatest, levels, zero, matrix, scales) => {
    const [unit, zeroPoint] = [graph.scalar('f32', 1 / levels), graph.scalar('u8', zero)];
    const quantized = graph.node('QuantizeLinear', [graph.node('Div', [rows, greatest]), unit, zeroPoint]);
    const inputs = [quantized, matrix, unit, scales, zeroPoint];
    return graph.node('Mul', [graph.node('MatMulIntegerToFloat', inputs, { domain: ms }), greatest]);
  };
  return (keys, values, keyScales, valueScales) => {
    const greatest = graph.node('ReduceMax', [graph.node('Abs', [query]), graph.ints(-1)]);
    const past = product(query, greatest, 63, 64, keys, keyScales);
    const now = graph.node('FusedMatMul', [query, key], { domain: ms, attributes: { transB: 1 } });
    const scores = graph.node('Concat', [past, now], { attributes: { axis: -1 } });
    const weights = graph.node('Softmax', [graph.node('Add', [scores, mask])], { attributes: { axis: -1 } });
    const [toPast, toNew] = graph.nodes('Split', [weights, parts], 2, { attributes: { axis: -1 } });
    const scaled = graph.node('Mul', [toPast, valueScales]);
    const most = graph.node('ReduceMax', [scaled, graph.ints(-1)]);
    const mixed = graph.node('Add', [
      product(scaled, most, 127, 0, values, graph.scalar('f32', 1)),
      graph.node('MatMul', [toNew, value]),
    ]);
    const byHead = reshape(graph, mixed, [0, KV_HEADS, GROUP, -1, DIM]);
    return reshape(graph, transpose(graph, byHead, [0, 3, 1, 2, 4]), [0, -1, HEADS * DIM]);
  };
};

const flatCache = (graph, value) => reshape(graph, value, [0, KV_HEADS, P, DIM]);

function groupQueryAttention(graph, { q, k, v }) {
  const int32 = (name, shape) =>
    graph.node('Cast', [graph.input(name, 'i64', shape)], { attributes: { to: INT32 } });
  const [ends, longest] = [int32('ends', ['B']), int32('total', [1])];
  const attributes = { num_heads: HEADS, kv_num_heads: KV_HEADS };
  return (key, value) => {
    const inputs = [q, k, v, flatCache(graph, key), flatCache(graph, value), ends, longest];
    return graph.nodes('GroupQueryAttention', inputs, 3, { domain: ms, attributes })[0];
  };
}

function attention(graph, { q, k, v, mask }) {
  const flatMask = graph.node('Squeeze', [mask, graph.ints(2)]);
  const attributes = { q_num_heads: HEADS, kv_num_heads: KV_HEADS };
  return (key, value) =>
    graph.nodes('Attention', [q, k, v, flatMask, flatCache(graph, key), flatCache(graph, value)], 3, {
      attributes,
    })[0];
}

const candidates = {
  'as before': apart(false),
  'row by row': apart(true),
  '8 bits': inBytes,
  GroupQueryAttention: groupQueryAttention,
  Attention: attention,
};

function model(build) {
  const graph = new GraphBuilder('attention');
  const rows = (name, heads) => graph.input(name, 'f32', ['B', 'S', heads * DIM]);
  const shared = {
    q: rows('q', HEADS),
    k: rows('k', KV_HEADS),
    v: rows('v', KV_HEADS),
    mask: graph.input('mask', 'f32', ['B', 1, 1, 'M', 'K']),
    parts: graph.input('parts', 'i64', [2]),
  };
  const block = build(graph, shared);
  let sum = null;
  for (let layer = 0; layer < LAYERS; layer++) {
    const cache = (name) => graph.input(`${name}${layer}`, 'f32', ['B', KV_HEADS, 1, 'P', DIM]);
    const bytes = (name, shape) => graph.input(`${name}${layer}`, 'i8', ['B', KV_HEADS, 1, ...shape]);
    const scales = (name) => graph.input(`${name}${layer}`, 'f32', ['B', KV_HEADS, 1, 1, 'P']);
    const mixed =
      build === inBytes
        ? block(
            bytes('keyBytes', [DIM, 'P']),
            bytes('valueBytes', ['P', DIM]),
            scales('keyScale'),
            scales('valueScale'),
          )
        : block(cache('key'), cache('value'));
    sum = sum === null ? mixed : graph.node('Add', [sum, mixed]);
  }
  graph.output('out', sum, 'f32', ['B', 'S', HEADS * DIM]);
  // `Attention` is of opset 23; the others mean the same there.
  const proto = fromBinary(ModelProtoSchema, graph.build());
  proto.opsetImport = [
    create(OperatorSetIdProtoSchema, { domain: '', version: 23n }),
    create(OperatorSetIdProtoSchema, { domain: ms, version: 1n }),
  ];
  return toBinary(ModelProtoSchema, proto);
}

const numbers = (count) => Float32Array.from({ length: count }, (_, i) => Math.sin(i * 12.9898) * 0.5);
const f32 = (data, shape) => new ort.Tensor('float32', data, shape);
const i64 = (data) => new ort.Tensor('int64', BigInt64Array.from(data, BigInt), [data.length]);
const caches = Array.from({ length: 2 * LAYERS }, () => numbers(B * KV_HEADS * P * DIM));

const cachesInBytes = Array.from({ length: 2 * LAYERS }, () =>
  Int8Array.from({ length: B * KV_HEADS * P * DIM }, (_, i) => ((i * 37) % 127) - 63),
);

/** `rows` of the mask are those of one product. */
function maskOf(rows) {
  const mask = new Float32Array(B * rows * (P + S));
  for (let row = 0; row < B * rows; row++) {
    const start = row * (P + S);
    mask.fill(-Infinity, start + lengths[Math.floor(row / rows)], start + P);
    mask.fill(-Infinity, start + P + ((row % rows) % S) + 1, start + P + S);
  }
  return f32(mask, [B, 1, 1, rows, P + S]);
}

function feedsOf(name, session) {
  const feeds = {
    q: f32(numbers(B * S * HEADS * DIM), [B, S, HEADS * DIM]),
    k: f32(numbers(B * S * KV_HEADS * DIM), [B, S, KV_HEADS * DIM]),
    v: f32(numbers(B * S * KV_HEADS * DIM), [B, S, KV_HEADS * DIM]),
    mask: maskOf(['as before', '8 bits'].includes(name) ? GROUP * S : S),
    parts: i64([P, S]),
    ends: i64(lengths.map((length) => length + S - 1)),
    total: i64([total]),
  };
  for (let layer = 0; layer < LAYERS; layer++) {
    feeds[`key${layer}`] = f32(caches[2 * layer], [B, KV_HEADS, 1, P, DIM]);
    const bytes = (index, shape) => new ort.Tensor('int8', cachesInBytes[2 * layer + index], shape);
    const scales = f32(new Float32Array(B * KV_HEADS * P).fill(0.01), [B, KV_HEADS, 1, 1, P]);
    feeds[`keyBytes${layer}`] = bytes(0, [B, KV_HEADS, 1, DIM, P]);
    feeds[`valueBytes${layer}`] = bytes(1, [B, KV_HEADS, 1, P, DIM]);
    feeds[`keyScale${layer}`] = feeds[`valueScale${layer}`] = scales;
    feeds[`value${layer}`] = f32(caches[2 * layer + 1], [B, KV_HEADS, 1, P, DIM]);
  }
  return Object.fromEntries(session.inputNames.map((input) => [input, feeds[input]]));
}

const runs = new Map();
for (const [name, build] of Object.entries(candidates)) {
  try {
    const session = await ort.InferenceSession.create(model(build), {
      intraOpNumThreads: Number(values.threads),
      logSeverityLevel: 4,
      extra: { session: { intra_op: { allow_spinning: '1', spin_duration_us: '50' } } },
    });
    const feeds = feedsOf(name, session);
    await session.run(feeds);
    runs.set(name, { session, feeds, times: [] });
  } catch (error) {
    console.log(`${name}: refused (${error.message.split('Status Message: ').at(-1).split('\n')[0]})`);
  }
}
for (let run = 0; run < Number(values.runs); run++) {
  for (const { session, feeds, times } of runs.values()) {
    const from = performance.now();
    await session.run(feeds);
    times.push(performance.now() - from);
  }
}
console.log(`${B} sequences x ${P} cached x ${S} new rows, ms, best / median`);
for (const [name, { times }] of runs) {
  times.sort((a, b) => a - b);
  console.log(`${name.padEnd(20)} ${times[0].toFixed(1)} / ${times[times.length >> 1].toFixed(1)}`);
}
