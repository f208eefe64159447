import { readFile } from 'node:fs/promises';
import { Command, Option } from 'commander';
import { createOnnxEngine } from '../../services/lib/engine/onnx-engine.js';
import { ServingError } from '../../services/lib/errors/serving-error.js';
import type { Engine, Precision } from '../../services/lib/engine/types.js';
import { ACTIVATION_TYPES, type ActivationType } from '../../services/lib/model/activations.js';
import { openCheckpoint } from '../../services/lib/model/open-checkpoint.js';
import { parseSplit } from '../../services/lib/model/split.js';
import { runCommand, stopSignal } from '../lib/cli/command.js';
import { ChainedEngine, compareEngines, windowsOf } from '../lib/model/compare-engines.js';
import { locateModel, prepare } from '../lib/model/prepare.js';
import { callerPath, modelOption } from '../lib/cli/options.js';

const WINDOW = 256;
const MOST_WINDOWS = 16;

interface Options {
  readonly model?: string;
  readonly text: string;
  readonly split: string;
  readonly activations: ActivationType;
}

/** What int8 costs, and the split: perplexity of a text, and how far the logits move, against unsplit f32. */
async function perplexity({ model, text, split, activations }: Options): Promise<void> {
  if (activations !== 'f32' && split === '')
    throw new ServingError('invalid_config', `nothing sends activations in ${activations}`, {
      hint: 'say with --split where the model is cut, such as 10,20',
    });
  const signal = stopSignal();
  const path = await locateModel(model, signal);
  const windows = await windowsOfFile(path, text, signal);
  const opened: Engine[] = [];
  const open = async (precision: Precision, split: string): Promise<Engine> => {
    const { directory: shards, config } = await prepare(path, precision, signal);
    const common = { shards, precision, activations, kvTokens: windows.length * WINDOW };
    const stages: Engine[] = [];
    for (const range of parseSplit(split, config.layers))
      stages.push(await createOnnxEngine({ ...common, range }));
    const engine = new ChainedEngine(stages);
    opened.push(engine);
    return engine;
  };
  try {
    const f32 = await open('f32', '');
    const int8 = await open('int8', split);
    const { tokens, perplexity, divergence, logitDifference } = await compareEngines(f32, int8, windows);
    const change = (100 * (perplexity.candidate / perplexity.reference - 1)).toFixed(2);
    console.log(`text                  ${text}, ${tokens} tokens in ${windows.length} windows of ${WINDOW}`);
    console.log(`perplexity, f32       ${perplexity.reference.toFixed(3)}`);
    console.log(`perplexity, int8      ${perplexity.candidate.toFixed(3)} (${change} %)`);
    console.log(`divergence            ${divergence.toFixed(5)} nats`);
    console.log(`logit difference      ${logitDifference.mean.toFixed(3)} mean`);
    console.log(`                      ${logitDifference.largest.toFixed(3)} largest`);
  } finally {
    for (const engine of opened) await engine.dispose();
  }
}

async function windowsOfFile(model: string, text: string, signal: AbortSignal): Promise<Int32Array[]> {
  const checkpoint = await openCheckpoint(model, signal);
  try {
    const tokens = checkpoint.tokenizer.encode(await readFile(text, 'utf8'), { addSpecialTokens: false });
    return windowsOf(tokens, WINDOW).slice(0, MOST_WINDOWS);
  } finally {
    await checkpoint.close();
  }
}

await runCommand(
  new Command('perplexity')
    .description('Measures what int8, and the split, cost in quality against unsplit f32.')
    .addOption(modelOption())
    .option('--text <file>', 'text to read', callerPath, 'test/fixtures/tom-sawyer.txt')
    .option('--split <layers>', 'boundaries between the stages of the int8 model, such as 10,20', '')
    .addOption(
      new Option('--activations <type>', 'of what its stages send each other')
        .choices(ACTIVATION_TYPES)
        .default('f32'),
    )
    .action(perplexity),
);
