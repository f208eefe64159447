import { Command, Option } from 'commander';
import type { Precision } from '../services/lib/engine/types.js';
import { runCommand, stopSignal } from './lib/command.js';
import { locateModel, prepare } from './lib/prepare.js';
import { callerModel } from './lib/caller-path.js';

interface Options {
  readonly model?: string;
  readonly precision: Precision;
}

await runCommand(
  new Command('prepare-model')
    .description(
      'Converts a checkpoint to shards, once, and prints their folder, which services take as LAYERMESH_PREPARED.',
    )
    .option(
      '--model <path|hub-id>',
      'GGUF file or Hugging Face folder (default: the demo model)',
      callerModel,
    )
    .addOption(
      new Option('--precision <precision>', 'of the weights').choices(['int8', 'f32']).default('int8'),
    )
    .action(async ({ model, precision }: Options) => {
      const signal = stopSignal();
      const { directory } = await prepare(await locateModel(model, signal), precision, signal);
      console.log(directory);
    }),
);
