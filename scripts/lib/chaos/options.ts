import { Command, InvalidArgumentError, Option } from 'commander';
import type { Precision } from '../../../services/lib/engine/types.js';
import { wholeNumber } from '../whole-number.js';
import { FAULT_KINDS, type FaultKind } from './plan.js';

export interface ChaosOptions {
  readonly duration: number;
  readonly seed: number;
  readonly site: 'local';
  readonly faults: readonly FaultKind[];
  readonly clients: number;
  readonly model?: string;
  readonly stages?: number;
  readonly replicas: number;
  readonly precision: Precision;
  readonly mesh: 'dapr' | 'direct';
  readonly json?: string;
}

export function chaosCommand(action: (options: ChaosOptions) => Promise<void>): Command {
  return new Command('chaos')
    .description(
      'Serves a model, lets clients ask it, does it harm meanwhile in ways that a seed draws, and tells what failed, ' +
        'what changed and what was left behind. It fails when anything did.',
    )
    .optionsGroup('What happens:')
    .addOption(count('--duration <s>', 'of the load', [10, 86_400], 60))
    .addOption(count('--seed <n>', 'of the faults and of what is asked', [0, 2 ** 31], 1))
    .addOption(
      new Option('--faults <kinds>', 'some of them, with commas between')
        .argParser(faultKinds)
        .default(FAULT_KINDS, FAULT_KINDS.join()),
    )
    .addOption(count('--clients <n>', 'that behave well, each with one request at a time', [1, 64], 4))
    .optionsGroup('How it is served:')
    .addOption(new Option('--site <site>', 'processes of this machine').choices(['local']).default('local'))
    .option('--model <path|hub-id>', 'GGUF file or Hugging Face folder (default: the demo model)')
    .addOption(count('--stages <n>', 'cut the model into so many stages of even cost', [1, 1_000]))
    .addOption(count('--replicas <n>', 'of every stage', [1, 8], 2))
    .addOption(
      new Option('--precision <precision>', 'of the weights; only in f32 is a text the same on every route')
        .choices(['int8', 'f32'])
        .default('f32'),
    )
    .addOption(
      new Option('--mesh <mesh>', 'how the services reach each other')
        .choices(['dapr', 'direct'])
        .default('dapr'),
    )
    .optionsGroup('What is made of it:')
    .option('--json <file>', 'writes the report, with every process before and after')
    .action(action);
}

function count(
  flags: string,
  description: string,
  range: readonly [number, number],
  fallback?: number,
): Option {
  const option = new Option(flags, description).argParser(wholeNumber(...range));
  return fallback === undefined ? option : option.default(fallback);
}

function faultKinds(text: string): FaultKind[] {
  const asked = text.split(',').map((name) => name.trim());
  const unknown = asked.find((name) => !FAULT_KINDS.some((kind) => kind === name));
  if (unknown !== undefined) {
    throw new InvalidArgumentError(`"${unknown}" is none of ${FAULT_KINDS.join(', ')}.`);
  }
  return FAULT_KINDS.filter((kind) => asked.includes(kind));
}
