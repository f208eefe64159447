// One process of the measurement, forked by measure.mjs: an echo server or a client of one library.
import { decodeMessage, encodeMessage, message } from '../../../dist/services/lib/wire/codec.js';
import { transports } from './transports.mjs';

const REPLY_PATIENCE_MS = 20_000;
const WARM_UP_MESSAGES = 20;
/** 576 float32 values, SmolLM2-135M's hidden size. */
const ROW_BYTES = 2304;

const commands = {
  serve: ({ library, ...options }) => transports[library].serve(options),
  usage: () => ({ cpu: cpuSeconds(), rss: process.memoryUsage.rss() }),
  measure,
  refuse,
  codec,
};

process.on('message', async ({ id, name, args }) => {
  try {
    process.send({ id, value: await commands[name](args) });
  } catch (error) {
    process.send({ id, error: `${name} ${JSON.stringify(args)}: ${error.message}` });
  }
});
process.on('disconnect', () => process.exit());

/** A frame of `bytes` of activations whose rows belong to `items` sequences. */
function frame({ items, bytes }, position) {
  const fields = Array.from({ length: items }, (_, index) => ({
    sequence: `3f6c1f0e-7a52-4f0b-9d53-0f1e2d3c4b${index.toString().padStart(2, '0')}`,
    epoch: 1,
    position,
    count: bytes / ROW_BYTES / items,
  }));
  return message({ case: 'frame', value: { items: fields, activations: activations(bytes) } });
}

const buffers = new Map();

function activations(bytes) {
  const known = buffers.get(bytes) ?? Buffer.alloc(bytes, 'layermesh');
  buffers.set(bytes, known);
  return known;
}

/** Keeps `inFlight` frames on one stream for `seconds`; latencies in ms, of whole round trips. */
async function measure({ library, shape, inFlight, seconds, ...target }) {
  let sent = 0;
  let received = 0;
  let started = 0;
  const sentAt = [];
  const latencies = [];
  const { promise, resolve, reject } = deferred();
  const next = () => {
    sentAt.push(performance.now());
    stream.send(frame(shape, sent++));
  };
  const onMessage = ({ body }) => {
    const now = performance.now();
    const { items, activations: echoed } = body.value;
    if (items[0].position !== received || items.length !== shape.items || echoed.length !== shape.bytes)
      reject(new Error(`echo ${received} is not what was sent`));
    if (received === WARM_UP_MESSAGES) started = now;
    if (received > WARM_UP_MESSAGES) latencies.push(now - sentAt[received]);
    received++;
    if (started > 0 && now - started > seconds * 1000) resolve(now - started);
    else next();
  };
  const onEnd = ({ code, details }) => reject(new Error(`the stream ended with ${code} ${details}`));
  const stream = transports[library].open({ ...target, onMessage, onEnd });
  try {
    for (let index = 0; index < inFlight; index++) next();
    const elapsed = await within(REPLY_PATIENCE_MS + seconds * 1000, promise);
    latencies.sort((a, b) => a - b);
    return {
      messages: received,
      perSecond: (latencies.length / elapsed) * 1000,
      p50: quantile(latencies, 0.5),
      p99: quantile(latencies, 0.99),
    };
  } finally {
    stream.close();
  }
}

/** The status with which the server refuses `hello`. */
async function refuse({ library, ...target }) {
  const { promise, resolve, reject } = deferred();
  const onMessage = () => reject(new Error('an answer instead of a refusal'));
  const stream = transports[library].open({ ...target, onMessage, onEnd: resolve });
  try {
    stream.send(message({ case: 'hello', value: { version: 1 } }));
    return await within(REPLY_PATIENCE_MS, promise);
  } finally {
    stream.close();
  }
}

/** Medians in ms of encoding and of decoding one frame. */
function codec({ shape, repetitions }) {
  const encode = [];
  const decode = [];
  for (let index = 0; index < repetitions; index++) {
    const value = frame(shape, index);
    const start = performance.now();
    const bytes = encodeMessage(value);
    const encoded = performance.now();
    decodeMessage(bytes);
    decode.push(performance.now() - encoded);
    encode.push(encoded - start);
  }
  const median = (values) =>
    quantile(
      values.sort((a, b) => a - b),
      0.5,
    );
  return { encode: median(encode), decode: median(decode) };
}

function quantile(sorted, share) {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))];
}

function cpuSeconds() {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
}

function deferred() {
  const parts = {};
  parts.promise = new Promise((resolve, reject) => Object.assign(parts, { resolve, reject }));
  return parts;
}

async function within(milliseconds, promise) {
  let timer;
  const timeout = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`nothing within ${milliseconds} ms`)), milliseconds);
  });
  return Promise.race([promise, timeout]).finally(() => clearTimeout(timer));
}
