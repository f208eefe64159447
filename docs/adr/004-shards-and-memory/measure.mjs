// The numbers of ADR 004: load time, memory and speed of a range of the demo model, in a process of its own.
//     npm run build
//     node docs/adr/004-shards-and-memory/measure.mjs --precision int8 --start 0 --end 30 --batches 1,4,16
// Session options are varied by editing `openSession` in dist/services/lib/engine/onnx-engine.js.
import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { createOnnxEngine } from '../../../dist/services/lib/engine/onnx-engine.js';
import { readModelFile } from '../../../dist/services/lib/model/shards/open-shards.js';

const { values } = parseArgs({
  options: {
    // The folder that `npm run prepare-model` prints.
    shards: { type: 'string', default: process.env.LAYERMESH_PREPARED ?? '' },
    precision: { type: 'string', default: 'int8' },
    start: { type: 'string', default: '0' },
    end: { type: 'string', default: '30' },
    batches: { type: 'string', default: '1,4,16' },
    threads: { type: 'string', default: '2' },
    steps: { type: 'string', default: '60' },
  },
});
const PROMPT = 128;

/** Memory of this process in MB: all, what is its own, and what is mapped from files. */
function memory() {
  const status = readFileSync('/proc/self/status', 'utf8');
  const [all, own, mapped] = ['VmRSS', 'RssAnon', 'RssFile'].map(
    (name) => Number(new RegExp(`${name}:\\s+(\\d+)`).exec(status)[1]) / 1024,
  );
  return `${all.toFixed(0)} MB (${own.toFixed(0)} own, ${mapped.toFixed(0)} mapped)`;
}

const { config } = await readModelFile(values.shards);
const range = { start: Number(values.start), end: Number(values.end) };
console.log(`layers ${range.start} to ${range.end}, ${values.precision}, ${values.threads} threads`);
console.log(`before loading   ${memory()}`);
const started = performance.now();
const engine = await createOnnxEngine({
  shards: values.shards,
  range,
  precision: values.precision,
  threads: Number(values.threads),
  kvTokens: 1 << 16,
});
console.log(`loaded           ${memory()}, in ${(performance.now() - started).toFixed(0)} ms`);

/** Any tokens or activations will do: what is computed does not depend on them. */
const rows = (count) =>
  range.start === 0
    ? { tokens: Int32Array.from({ length: count }, (_, i) => (i * 7919) % config.vocabulary) }
    : { hidden: Float32Array.from({ length: count * config.hidden }, (_, i) => Math.sin(i)) };

async function seconds(items) {
  const input = { items, ...rows(items.reduce((sum, { count }) => sum + count, 0)) };
  const from = performance.now();
  await engine.step(input);
  return (performance.now() - from) / 1000;
}

const prompt = (sequence) => [{ sequence, position: 0, count: PROMPT, logits: 1 }];
const prefills = [];
for (let i = 0; i < 8; i++) {
  engine.open('prompt', PROMPT);
  prefills.push(await seconds(prompt('prompt')));
  engine.close('prompt');
}
console.log(`prefill of ${PROMPT}   ${(PROMPT / Math.min(...prefills)).toFixed(0)} tokens/s at best`);

for (const batch of values.batches.split(',').map(Number)) {
  const sequences = Array.from({ length: batch }, (_, index) => `s${index}`);
  for (const sequence of sequences) {
    engine.open(sequence, 1024);
    await seconds(prompt(sequence));
  }
  const times = [];
  for (let step = 0; step < Number(values.steps); step++) {
    const position = PROMPT + step;
    times.push(await seconds(sequences.map((sequence) => ({ sequence, position, count: 1, logits: 1 }))));
  }
  times.sort((a, b) => a - b);
  const [best, median] = [times[0], times[times.length >> 1]].map((time) => (batch / time).toFixed(0));
  console.log(`decode of ${String(batch).padEnd(6)} ${best} tokens/s at best, ${median} median`);
  for (const sequence of sequences) engine.close(sequence);
}
console.log(`after            ${memory()}`);
await engine.dispose();
