import { basename, resolve } from 'node:path';
import { Command, Option } from 'commander';
import { runStep } from '../bootstrap/step.mjs';
import { runCommand, stopSignal } from '../lib/cli/command.js';
import { randomEncodings, type TypeName } from '../lib/model/random-weights.js';
import { configOf, shapes, writeRandomModel, type Shape, type ShapeName } from '../lib/model/random-model.js';
import { callerPath, count, seedOption } from '../lib/cli/options.js';

interface Options extends Partial<Shape> {
  readonly shape: ShapeName;
  readonly type: TypeName;
  readonly seed: number;
  readonly out: string;
}

/** For measuring speed and memory of sizes that are not at hand: what it says is noise. */
async function randomModel({ shape, type, seed, out, ...changes }: Options): Promise<void> {
  const file = resolve(out);
  const config = configOf(basename(file, '.gguf'), { ...shapes[shape], ...changes });
  const signal = stopSignal();
  await runStep(basename(file), (update) =>
    writeRandomModel({
      config,
      type,
      seed,
      file,
      signal,
      onProgress: ({ written, total }) => update(`${gigabytes(written)} of ${gigabytes(total)}`),
    }),
  );
  console.log(file);
}

const gigabytes = (bytes: number): string => `${(bytes / 1e9).toFixed(1)} GB`;

const size = (flags: string, what: string): Option =>
  count(flags, `${what} (default: the shape's)`, undefined, [1, 1 << 20]);

await runCommand(
  new Command('random-model')
    .description('Writes a llama of random weights as GGUF, to measure a shape without its checkpoint.')
    .addOption(
      new Option('--shape <name>', 'of a known model').choices(Object.keys(shapes)).default('tinyllama-1.1b'),
    )
    .addOption(
      new Option('--type <type>', 'of the matrices').choices(Object.keys(randomEncodings)).default('Q8_0'),
    )
    .addOption(seedOption('of the weights'))
    .requiredOption('--out <file>', 'where to write it', callerPath)
    .optionsGroup('Another shape:')
    .addOption(size('--layers <n>', 'layers'))
    .addOption(size('--hidden <n>', 'size of the residual stream'))
    .addOption(size('--intermediate <n>', 'size of the feed-forward'))
    .addOption(size('--heads <n>', 'query heads'))
    .addOption(size('--kv-heads <n>', 'key-value heads'))
    .addOption(size('--vocabulary <n>', 'tokens'))
    .addOption(size('--max-positions <n>', 'longest context'))
    .action(randomModel),
);
