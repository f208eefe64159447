import { join } from 'node:path';
import { Command, InvalidArgumentError, Option } from 'commander';
import { cacheDirectory } from '../../bootstrap/cache.mjs';
import { wholeNumber } from '../whole-number.js';
import { ARM_NAMES, type ArmName } from './arms.js';
import { LOADS, type LoadName } from './loads.js';
import { callerPath } from '../caller-path.js';

export interface ExperimentOptions {
  readonly arms: readonly ArmName[];
  readonly loads: readonly LoadName[];
  readonly network: boolean;
  readonly duration: number;
  readonly rate?: number;
  readonly seed: number;
  readonly split: string;
  readonly cpu: number;
  readonly sidecarCpu: number;
  readonly namespace: string;
  readonly tag: string;
  readonly delayCommand?: string;
  readonly rows: string;
  readonly docs: boolean;
  readonly smoke: boolean;
}

export function experimentCommand(action: (options: ExperimentOptions) => Promise<void>): Command {
  return new Command('experiment')
    .description(
      'Measures on a Kubernetes cluster (KUBECONFIG) what splitting a model, and scaling its stages one by one, brings ' +
        'and costs. What has been measured is kept: run again, it goes on where it was.',
    )
    .optionsGroup('What is measured:')
    .addOption(
      new Option(
        '--arms <names>',
        'a: unsplit under an HPA; b: split, fixed; c: split, an HPA for each stage',
      )
        .argParser(listOf(ARM_NAMES))
        .default([...ARM_NAMES], ARM_NAMES.join()),
    )
    .addOption(
      new Option('--loads <names>', 'each the same for every arm')
        .argParser(listOf(LOADS))
        .default([...LOADS], LOADS.join()),
    )
    .option('--network', 'also what a network between the pods costs, over dapr and direct', false)
    .addOption(
      number(
        '--duration <s>',
        'of the square wave; the step lasts twice as long, the conversations half',
        90,
        [6, 3_600],
      ),
    )
    .addOption(
      new Option(
        '--rate <r>',
        'requests/s at ×1 (default: half of what one replica of each stage carries)',
      ).argParser(positive),
    )
    .addOption(number('--seed <n>', 'of prompts and arrivals', 1, [0, 2 ** 31]))
    .optionsGroup('How it is served:')
    .option('--split <boundaries>', 'of the split arms', '8')
    .addOption(
      number('--cpu <m>', "CPU limit of a stage's replica, thousandths of a processor", 350, [50, 64_000]),
    )
    .addOption(number('--sidecar-cpu <m>', 'and of its sidecar', 100, [10, 64_000]))
    .option('--namespace <name>', 'made for it, and deleted at the end', 'layermesh-experiment')
    .option('--tag <tag>', 'of the images', 'local')
    .option('--delay-command <program>', 'delays a pod (default: one that must run as root on the only node)')
    .optionsGroup('What is made of it:')
    .option(
      '--rows <folder>',
      'where everything measured is kept',
      callerPath,
      join(cacheDirectory(), 'experiment'),
    )
    .option('--docs', 'writes docs/experiment.md and its figures', false)
    .option(
      '--smoke',
      'a few requests to processes on this machine, without a cluster, to see that all of it works',
      false,
    )
    .action(action);
}

const number = (
  flags: string,
  description: string,
  fallback: number,
  [min, max]: readonly [number, number],
): Option => new Option(flags, description).argParser(wholeNumber(min, max)).default(fallback);

const listOf =
  <Name extends string>(names: readonly Name[]) =>
  (text: string): Name[] =>
    text.split(',').map((item) => {
      const found = names.find((name) => name === item.trim());
      if (found !== undefined) return found;
      throw new InvalidArgumentError(`Allowed are ${names.join(', ')}.`);
    });

function positive(text: string): number {
  const value = Number(text);
  if (text !== '' && Number.isFinite(value) && value > 0) return value;
  throw new InvalidArgumentError('It must be a number above 0.');
}
