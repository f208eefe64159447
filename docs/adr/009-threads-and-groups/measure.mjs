// The numbers of ADR 009: a step of all sequences with two threads, against two steps of half of them each, at the
// same time, with one thread.
//     npm run build && npm run prepare-model
//     node docs/adr/009-threads-and-groups/measure.mjs --sequences 4,16,32
import { availableParallelism } from 'node:os';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { parseArgs } from 'node:util';
import { createOnnxEngine } from '../../../dist/services/lib/engine/onnx-engine.js';
import { readModelFile } from '../../../dist/services/lib/model/shards/open-shards.js';

const PAST = 160;
const STEPS = 40;

/** Times decode steps of `sequences` sequences; every message asks for one more series. */
async function work({ shards, layers, threads, sequences }) {
  const range = { start: 0, end: layers };
  const engine = await createOnnxEngine({ shards, range, precision: 'int8', threads, kvTokens: 1 << 17 });
  const names = Array.from({ length: sequences }, (_, index) => `s${index}`);
  const step = (position, count) => {
    const items = names.map((sequence) => ({ sequence, position, count, logits: 1 }));
    const tokens = Int32Array.from({ length: sequences * count }, (_, i) => (i * 7_919 + position) % 32_000);
    return engine.step({ items, tokens, bestOnly: true });
  };
  for (const name of names) engine.open(name, PAST + STEPS);
  for (let position = 0; position < PAST; position += 16) await step(position, 16);
  parentPort.on('message', async () => {
    const times = [];
    for (let index = 0; index < STEPS; index++) {
      const from = performance.now();
      await step(PAST + index, 1);
      times.push(performance.now() - from);
    }
    parentPort.postMessage(times);
  });
  parentPort.postMessage('ready');
}

const next = (worker) => new Promise((resolve) => worker.once('message', resolve));

async function start(options) {
  const worker = new Worker(new URL(import.meta.url), { workerData: options });
  await next(worker);
  return worker;
}

async function seriesOf(workers) {
  const results = workers.map(next);
  for (const worker of workers) worker.postMessage('go');
  return (await Promise.all(results)).flat();
}

async function measure() {
  const { values } = parseArgs({
    options: {
      // The folder that `npm run prepare-model` prints.
      shards: { type: 'string', default: process.env.LAYERMESH_PREPARED ?? '' },
      sequences: { type: 'string', default: '4,16,32' },
      rounds: { type: 'string', default: '5' },
    },
  });
  const { config } = await readModelFile(values.shards);
  const processors = availableParallelism();
  console.log(`${processors} processors; ms of a step, best / median; tokens/s of the median`);
  for (const sequences of values.sequences.split(',').map(Number)) {
    const common = { shards: values.shards, layers: config.layers };
    const together = [await start({ ...common, threads: processors, sequences })];
    const apart = await Promise.all(
      Array.from({ length: processors }, () =>
        start({ ...common, threads: 1, sequences: sequences / processors }),
      ),
    );
    const times = { together: [], apart: [] };
    for (let round = 0; round < Number(values.rounds); round++) {
      times.together.push(...(await seriesOf(together)));
      times.apart.push(...(await seriesOf(apart)));
    }
    for (const worker of [...together, ...apart]) await worker.terminate();
    for (const [name, series] of Object.entries(times)) {
      series.sort((a, b) => a - b);
      const [best, median] = [series[0], series[series.length >> 1]];
      const rate = ((sequences * 1000) / median).toFixed(0);
      console.log(
        `${String(sequences).padStart(3)} ${name.padEnd(9)} ${best.toFixed(1)} / ${median.toFixed(1)}  ${rate}`,
      );
    }
  }
}

if (isMainThread) await measure();
else await work(workerData);
