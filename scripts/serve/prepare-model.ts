import { Command } from 'commander';
import type { Precision } from '../../services/lib/engine/types.js';
import { runCommand, stopSignal } from '../lib/cli/command.js';
import { modelOption, precisionOption } from '../lib/cli/options.js';
import { locateModel, prepare } from '../lib/model/prepare.js';

interface Options {
  readonly model?: string;
  readonly precision: Precision;
}

await runCommand(
  new Command('prepare-model')
    .description(
      'Converts a checkpoint to shards, once, and prints their folder, which services take as LAYERMESH_PREPARED.',
    )
    .addOption(modelOption())
    .addOption(precisionOption())
    .action(async ({ model, precision }: Options) => {
      const signal = stopSignal();
      const { directory } = await prepare(await locateModel(model, signal), precision, signal);
      console.log(directory);
    }),
);
