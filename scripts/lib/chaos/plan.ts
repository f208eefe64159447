import { Command, Option } from 'commander';
import type { Precision } from '../../../services/lib/engine/types.js';
import { createRandom } from '../../../services/lib/sampling/random.js';
import {
  callerPath,
  count,
  engineOptions,
  type EngineOptions,
  listOf,
  meshOption,
  modelOption,
  oneOf,
  precisionOption,
  seedOption,
  stagesOption,
} from '../cli/options.js';

/** Every kind of fault, and how often it comes: once in so many seconds, at a time drawn within them. */
const PERIODS = {
  kill: 20,
  stop: 25,
  pipeline: 15,
  vanish: 3,
  'half-close': 5,
  'slow-read': 30,
  'slow-send': 30,
  flood: 30,
  'long-word': 20,
  'bad-input': 4,
} as const;

export type FaultKind = keyof typeof PERIODS;
export const FAULT_KINDS = Object.keys(PERIODS) as FaultKind[];

export interface PlannedFault {
  /** Seconds after the load began. */
  readonly at: number;
  readonly kind: FaultKind;
  /** Of everything that is drawn while it is done: its victim, its requests, its pauses. */
  readonly seed: number;
}

/**
 * What happens when, in order: a function of the seed and the duration (seconds) alone. Every kind has random numbers
 * of its own, so a run of some kinds has just their faults of a run of all. Each comes at least once, and `pace`
 * times as often as usual.
 */
export function planFaults(
  seed: number,
  duration: number,
  kinds: readonly FaultKind[],
  pace = 1,
): PlannedFault[] {
  return kinds
    .flatMap((kind) => faultsOf(kind, seed, duration, pace))
    .sort((one, other) => one.at - other.at);
}

function faultsOf(kind: FaultKind, seed: number, duration: number, pace: number): PlannedFault[] {
  const random = createRandom(seed * FAULT_KINDS.length + FAULT_KINDS.indexOf(kind));
  const period = Math.min(PERIODS[kind] / pace, duration);
  return Array.from({ length: Math.floor(duration / period) }, (_, index) => ({
    at: (index + random()) * period,
    kind,
    seed: Math.floor(random() * 2 ** 32),
  }));
}

export interface ChaosOptions extends EngineOptions {
  readonly duration: number;
  readonly seed: number;
  readonly faults: readonly FaultKind[];
  readonly pace: number;
  readonly clients: number;
  readonly model?: string;
  readonly stages?: number;
  readonly replicas: number;
  readonly precision: Precision;
  readonly mesh: 'dapr' | 'direct';
  readonly json?: string;
}

export function chaosCommand(action: (options: ChaosOptions) => Promise<void>): Command {
  const command = new Command('chaos')
    .description(
      'Serves a model, lets clients ask it, does it harm meanwhile in ways that a seed draws, and tells what failed, ' +
        'what changed and what was left behind. It fails when anything did.',
    )
    .optionsGroup('What happens:')
    .addOption(count('--duration <s>', 'of the load', 60, [10, 86_400]))
    .addOption(seedOption('of the faults and of what is asked'))
    .addOption(
      new Option('--faults <kinds>', 'some of them, with commas between')
        .argParser(faultKinds)
        .default(FAULT_KINDS, FAULT_KINDS.join()),
    )
    .addOption(count('--pace <n>', 'so many times as many faults', 1, [1, 20]))
    .addOption(count('--clients <n>', 'that behave well, each with one request at a time', 4, [1, 64]))
    .optionsGroup('How it is served:')
    .addOption(new Option('--site <site>', 'processes of this machine').choices(['local']).default('local'))
    .addOption(modelOption())
    .addOption(stagesOption())
    .addOption(count('--replicas <n>', 'of every stage', 2, [1, 8]))
    .addOption(precisionOption('of the weights; only in f32 is a text the same on every route', 'f32'))
    .addOption(meshOption())
    .optionsGroup('What is made of it:')
    .option('--json <file>', 'writes the report, with every process before and after', callerPath)
    .action(action);
  command.optionsGroup('How it is served:');
  for (const option of engineOptions()) command.addOption(option);
  return command;
}

/** In their own order. */
function faultKinds(text: string): FaultKind[] {
  const asked = listOf(oneOf(FAULT_KINDS))(text);
  return FAULT_KINDS.filter((kind) => asked.includes(kind));
}
