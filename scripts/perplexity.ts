import { readFile } from 'node:fs/promises';
import { Command } from 'commander';
import { createOnnxEngine } from '../services/lib/engine/onnx-engine.js';
import type { Engine, Precision } from '../services/lib/engine/types.js';
import { openCheckpoint } from '../services/lib/model/open-checkpoint.js';
import { loadTokenizer } from '../services/lib/model/text/tokenizer.js';
import { runCommand, stopSignal } from './lib/command.js';
import { compareEngines, windowsOf } from './lib/compare-engines.js';
import { locateModel, prepare } from './lib/prepare.js';

const WINDOW = 256;
const MOST_WINDOWS = 16;

interface Options {
  readonly model?: string;
  readonly text: string;
}

/** What int8 costs: perplexity of a text, and how far the logits move, against f32 of the same model. */
async function perplexity({ model, text }: Options): Promise<void> {
  const signal = stopSignal();
  const path = await locateModel(model, signal);
  const windows = await windowsOfFile(path, text, signal);
  const open = async (precision: Precision): Promise<Engine> => {
    const { directory, config } = await prepare(path, precision, signal);
    const kvTokens = windows.length * WINDOW;
    return createOnnxEngine({
      shards: directory,
      range: { start: 0, end: config.layers },
      precision,
      kvTokens,
    });
  };
  const f32 = await open('f32');
  const int8 = await open('int8');
  try {
    const { tokens, perplexity, divergence, logitDifference } = await compareEngines(f32, int8, windows);
    const change = (100 * (perplexity.candidate / perplexity.reference - 1)).toFixed(2);
    console.log(`text                  ${text}, ${tokens} tokens in ${windows.length} windows of ${WINDOW}`);
    console.log(`perplexity, f32       ${perplexity.reference.toFixed(3)}`);
    console.log(`perplexity, int8      ${perplexity.candidate.toFixed(3)} (${change} %)`);
    console.log(`divergence            ${divergence.toFixed(5)} nats`);
    console.log(`logit difference      ${logitDifference.mean.toFixed(3)} mean`);
    console.log(`                      ${logitDifference.largest.toFixed(3)} largest`);
  } finally {
    await f32.dispose();
    await int8.dispose();
  }
}

async function windowsOfFile(model: string, text: string, signal: AbortSignal): Promise<Int32Array[]> {
  const checkpoint = await openCheckpoint(model, signal);
  try {
    const tokenizer = loadTokenizer(checkpoint.text);
    const tokens = tokenizer.encode(await readFile(text, 'utf8'), { addSpecialTokens: false });
    return windowsOf(tokens, WINDOW).slice(0, MOST_WINDOWS);
  } finally {
    await checkpoint.close();
  }
}

await runCommand(
  new Command('perplexity')
    .description('Measures what int8 costs in quality against f32.')
    .option('--model <path|hub-id>', 'GGUF file or Hugging Face folder (default: the demo model)')
    .option('--text <file>', 'text to read', 'test/fixtures/tom-sawyer.txt')
    .action(perplexity),
);
