// The numbers of ADR 019: sequences that go round three stages as one group, whose steps have all processors, against as
// many groups as there are processors, whose steps have one each; with a pause before each stage in place of a hop.
//     npm run build && npm run prepare-model
//     node docs/adr/019-a-step-that-is-alone/measure.mjs --sequences 1,4,8,16,32
import { availableParallelism } from 'node:os';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { parseArgs } from 'node:util';
import { createOnnxEngine } from '../../../dist/services/lib/engine/onnx-engine.js';
import { evenSplit, stageRanges } from '../../../dist/services/lib/model/split.js';
import { readModelFile } from '../../../dist/services/lib/model/shards/open-shards.js';

const PAST = 160;
const STEPS = 30;

/** A stage: answers each step with what it took, ms. */
async function work({ shards, range, hidden, sequences }) {
  const threads = { threads: 1, aloneThreads: availableParallelism() };
  const engine = await createOnnxEngine({ shards, range, precision: 'int8', ...threads, kvTokens: 1 << 17 });
  const names = Array.from({ length: sequences }, (_, index) => `s${index}`);
  parentPort.on('message', async ({ id, from, to, position, count, alone }) => {
    if (position === 0) {
      for (const name of names.slice(from, to)) {
        engine.close(name);
        engine.open(name, PAST + STEPS);
      }
    }
    const items = names.slice(from, to).map((sequence) => ({ sequence, position, count, logits: 1 }));
    const rows = items.length * count;
    const input =
      range.start === 0
        ? { tokens: Int32Array.from({ length: rows }, (_, i) => (i * 7_919 + position) % 32_000) }
        : { hidden: Float32Array.from({ length: rows * hidden }, (_, i) => Math.sin(i)) };
    const began = performance.now();
    await engine.step({ items, bestOnly: true, alone, ...input });
    parentPort.postMessage({ id, ms: performance.now() - began });
  });
  parentPort.postMessage('ready');
}

/** A stage's worker thread, as a function that computes a step. */
async function start(options) {
  const worker = new Worker(new URL(import.meta.url), { workerData: options });
  await new Promise((resolve) => worker.once('message', resolve));
  const waiting = new Map();
  let ids = 0;
  worker.on('message', ({ id, ms }) => waiting.get(id)(ms));
  const step = (request) =>
    new Promise((resolve) => {
      waiting.set(++ids, resolve);
      worker.postMessage({ id: ids, ...request });
    });
  return { step, stop: () => worker.terminate() };
}

const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const median = (values) => [...values].sort((a, b) => a - b)[values.length >> 1];

/** Tokens a second of all sequences, the processors in use, and the median ms of a step of one stage. */
async function series(stages, { sequences, groups, alone, hop }) {
  const times = [];
  const round = async (request) => {
    for (const { step } of stages) {
      await sleep(hop);
      times.push(await step({ ...request, alone }));
    }
  };
  for (let position = 0; position < PAST; position += 16)
    await round({ from: 0, to: sequences, position, count: 16 });
  times.length = 0;
  const [cpu, began] = [process.cpuUsage(), performance.now()];
  const size = sequences / groups;
  const group = async (index) => {
    for (let step = 0; step < STEPS; step++)
      await round({ from: index * size, to: (index + 1) * size, position: PAST + step, count: 1 });
  };
  await Promise.all(Array.from({ length: groups }, (_, index) => group(index)));
  const ms = performance.now() - began;
  const { user, system } = process.cpuUsage(cpu);
  return { rate: (sequences * STEPS * 1_000) / ms, busy: (user + system) / 1_000 / ms, step: median(times) };
}

async function measure() {
  const { values } = parseArgs({
    options: {
      // The folder that `npm run prepare-model` prints.
      shards: { type: 'string', default: process.env.LAYERMESH_PREPARED ?? '' },
      sequences: { type: 'string', default: '1,2,4,8,16,32' },
      rounds: { type: 'string', default: '5' },
      hop: { type: 'string', default: '2' },
    },
  });
  const { config } = await readModelFile(values.shards);
  const ranges = stageRanges(evenSplit(config, 3), config.layers);
  console.log('sequences, groups: tokens/s median (min-max), processors in use, ms of a stage’s step');
  for (const sequences of values.sequences.split(',').map(Number)) {
    const options = { shards: values.shards, hidden: config.hidden, sequences };
    const stages = [];
    for (const range of ranges) stages.push(await start({ ...options, range }));
    const kinds = [
      { groups: Math.min(sequences, availableParallelism()), alone: false, of: [] },
      { groups: 1, alone: true, of: [] },
    ];
    for (let round = 0; round < Number(values.rounds); round++)
      for (const { of, ...kind } of kinds)
        of.push(await series(stages, { sequences, ...kind, hop: Number(values.hop) }));
    for (const { stop } of stages) await stop();
    for (const { groups, alone, of } of kinds) {
      const rates = of.map(({ rate }) => rate);
      const [low, high] = [Math.min(...rates), Math.max(...rates)].map((rate) => rate.toFixed(1));
      const [busy, step] = [median(of.map(({ busy }) => busy)), median(of.map(({ step }) => step))];
      console.log(
        `${String(sequences).padStart(3)} ${groups}${alone ? ', alone' : ''}: ${median(rates).toFixed(1)} (${low}-${high}), ${busy.toFixed(2)}, ${step.toFixed(2)}`,
      );
    }
  }
}

if (isMainThread) await measure();
else await work(workerData);
