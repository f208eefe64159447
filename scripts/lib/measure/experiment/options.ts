import { join } from 'node:path';
import { Command, Option } from 'commander';
import { cacheDirectory } from '../../../bootstrap/cache.mjs';
import { callerPath, count, listOf, oneOf, positive, seedOption } from '../../cli/options.js';
import { ARM_NAMES, type ArmName } from './cpu/arms.js';
import { LOADS, type LoadName } from './cpu/loads.js';
import { SCENARIOS, type ScenarioName } from './scenario.js';

/** The scenarios of emulated GPUs, the map that is simulated, and the model that is computed on processors. */
const PARTS = [...SCENARIOS, 'map', 'cpu'] as const;
type PartName = ScenarioName | 'map' | 'cpu';

const SITES = ['cluster', 'local'] as const;

export interface ExperimentOptions {
  readonly scenario: readonly PartName[];
  readonly site: (typeof SITES)[number];
  readonly dilate: number;
  readonly hopMs: number;
  readonly imagesReady: boolean;
  readonly page: boolean;
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

/** Some of these, in letters of either size; all where it does not say. */
const some = (flags: string, description: string, names: readonly string[]): Option =>
  new Option(flags, description)
    .argParser((text) => listOf(oneOf(names))(text.toLowerCase()))
    .default([...names], names.join());

export function experimentCommand(action: (options: ExperimentOptions) => Promise<void>): Command {
  return new Command('experiment')
    .description(
      'Measures on a Kubernetes cluster (KUBECONFIG) what splitting a model, and scaling its stages one by one, brings ' +
        'and costs: on emulated GPUs, scenario by scenario, and on the processors that there are. What has been measured is ' +
        'kept: run again, it goes on where it was.',
    )
    .optionsGroup('What is measured:')
    .addOption(
      some(
        '--scenario <names>',
        's1 to s6 and kills: emulated GPUs; map: simulated, for half an hour; cpu: a small model that is computed',
        PARTS,
      ),
    )
    .option('--page', 'measures nothing, and makes the page of what has been measured', false)
    .optionsGroup('Emulated GPUs:')
    .addOption(
      new Option('--site <name>', 'cluster, or local: processes of this machine, without autoscalers')
        .choices([...SITES])
        .default('cluster'),
    )
    .addOption(count('--dilate <k>', 'all that is modelled takes so many times as long again', 1, [1, 100]))
    .addOption(
      new Option('--hop-ms <h>', 'an uncontended hop, which dilated takes k times as long too')
        .argParser(positive)
        .default(0.5),
    )
    .optionsGroup('The model that is computed:')
    .addOption(
      some(
        '--arms <names>',
        'a: unsplit under an HPA; b: split, fixed; c: split, an HPA for each stage',
        ARM_NAMES,
      ),
    )
    .addOption(some('--loads <names>', 'each the same for every arm', LOADS))
    .option('--network', 'also what a network between the pods costs, over dapr and direct', false)
    .addOption(
      count(
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
    .addOption(seedOption('of prompts and arrivals'))
    .option('--split <boundaries>', 'of the split arms', '8')
    .addOption(
      count('--cpu <m>', "CPU limit of a stage's replica, thousandths of a processor", 350, [50, 64_000]),
    )
    .addOption(count('--sidecar-cpu <m>', 'and of its sidecar', 100, [10, 64_000]))
    .optionsGroup('Where:')
    .option('--namespace <name>', 'made for it, and deleted at the end', 'layermesh-experiment')
    .option('--tag <tag>', 'of the images', 'experiment')
    .option('--images-ready', 'the cluster has the images already', false)
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
