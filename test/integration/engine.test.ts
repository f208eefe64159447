import { readFile } from 'node:fs/promises';
import { compareEngines, windowsOf } from '../../scripts/lib/model/compare-engines.js';
import { ensureDemoModel } from '../../scripts/lib/model/demo-model.js';
import { prepareShards } from '../../scripts/lib/model/prepare.js';
import { createOnnxEngine } from '../../services/lib/engine/onnx-engine.js';
import type { Engine, Precision } from '../../services/lib/engine/types.js';
import type { CheckpointReader } from '../../services/lib/model/checkpoint/checkpoint-reader.js';
import { openCheckpoint } from '../../services/lib/model/open-checkpoint.js';
import { weightRule } from '../../services/lib/model/quantize/weight-rule.js';
import { largestDifference, stepThrough } from '../support/model/engine-steps.js';
import { createReferenceEngine } from '../support/model/reference-engine.js';

/** The demo model's logits are between about -20 and 30. */
const TOLERANCE = 1e-3;

const WINDOW = 256;
/** `npm run perplexity` reads all of the text. */
const WINDOWS = 2;
const KV_TOKENS = 16 * WINDOW;

let model: string;
let checkpoint: CheckpointReader;
beforeAll(async () => {
  model = await ensureDemoModel();
  checkpoint = await openCheckpoint(model);
}, 300_000);
afterAll(() => checkpoint.close());

async function openWhole(
  precision: Precision,
  threads?: { threads: number; aloneThreads: number },
): Promise<Engine> {
  const { prepared } = await prepareShards(model, precision);
  const { directory, config } = prepared;
  const range = { start: 0, end: config.layers };
  return createOnnxEngine({ shards: directory, range, precision, kvTokens: KV_TOKENS, ...threads });
}

describe('the demo model', () => {
  let f32: Engine;
  beforeAll(async () => {
    f32 = await openWhole('f32');
  }, 300_000);
  afterAll(() => f32.dispose());

  test('has the logits of the reference engine in f32, prompt and continuation', async () => {
    const range = { start: 0, end: checkpoint.config.layers };
    const reference = await createReferenceEngine({ checkpoint, range, kvTokens: 100 });
    for (const text of ['The capital of France is Paris', 'def add(a, b):\n    return', '你好 🙂 and']) {
      const tokens = checkpoint.tokenizer.encode(text, { addSpecialTokens: false });
      for (const engine of [f32, reference]) engine.open(text, 50);
      for (const [start, end] of [
        [0, tokens.length - 1],
        [tokens.length - 1, tokens.length],
      ] as const) {
        const part = { sequence: text, position: start, tokens: tokens.slice(start, end) };
        const [found] = await stepThrough([f32], [part]);
        const [expected] = await stepThrough([reference], [part]);
        expect(largestDifference(found!, expected!)).toBeLessThan(TOLERANCE);
      }
      for (const engine of [f32, reference]) engine.close(text);
    }
    await reference.dispose();
  }, 120_000);

  test('loses less than one per cent of perplexity in int8', async () => {
    const text = await readFile('test/fixtures/tom-sawyer.txt', 'utf8');
    const tokens = checkpoint.tokenizer.encode(text, { addSpecialTokens: false });
    const windows = windowsOf(tokens, WINDOW).slice(0, WINDOWS);
    expect(windows).toHaveLength(WINDOWS);
    const int8 = await openWhole('int8');
    const { perplexity, divergence } = await compareEngines(f32, int8, windows);
    await int8.dispose();
    // Perplexity may by chance be good on one text; the divergence of every token's distribution may not.
    expect(perplexity.candidate / perplexity.reference).toBeLessThan(1.01);
    // Bounded pairs cost half as much again (docs/adr/003-int8-quantisation.md).
    expect(divergence).toBeLessThan(weightRule() === 'free' ? 0.012 : 0.015);
  }, 300_000);

  test('computes the same with the threads of a step that is alone, to the bit', async () => {
    const int8 = await openWhole('int8', { threads: 1, aloneThreads: 2 });
    const tokens = Array.from({ length: 64 }, (_, index) => 1_000 + 37 * index);
    const logits: Float32Array[][] = [];
    for (const alone of [false, true]) {
      for (const sequence of ['a', 'b']) int8.open(sequence, 100);
      const steps = [tokens.slice(0, 60), ...tokens.slice(60).map((token) => [token])];
      let position = 0;
      logits.push([]);
      for (const step of steps) {
        const items = ['a', 'b'].map((sequence) => ({ sequence, position, count: step.length, logits: 1 }));
        const output = await int8.step({ items, tokens: Int32Array.from([...step, ...step]), alone });
        logits.at(-1)!.push(output.logits!);
        position += step.length;
      }
      for (const sequence of ['a', 'b']) int8.close(sequence);
    }
    await int8.dispose();
    expect(logits[1]).toEqual(logits[0]);
  }, 120_000);
});
