import { Command, Option } from 'commander';
import type { Precision } from '../../services/lib/engine/types.js';
import { portOption } from './port-option.js';
import { wholeNumber } from './whole-number.js';
import { callerModel } from './caller-path.js';

/** What `up` was asked for; what is undefined is for the run file or the service to decide. */
export interface UpOptions {
  readonly model?: string;
  /** Further names of the model. */
  readonly alias?: readonly string[];
  readonly stages?: number;
  readonly split?: string;
  readonly replicas: readonly string[];
  readonly precision: Precision;
  readonly mesh: 'dapr' | 'direct';
  readonly port: number;
  readonly state: 'sqlite';
  readonly kvTokens?: number;
  readonly threads?: number;
  readonly trace: boolean;
  readonly detach: boolean;
}

const collect = (value: string, earlier: readonly string[]): string[] => [...earlier, value];

/** An option that a LAYERMESH variable of the same meaning sets too. */
const variable = (flags: string, description: string, name: string): Option =>
  new Option(flags, description).env(`LAYERMESH_${name}`);

export function upCommand(action: (options: UpOptions) => Promise<void>): Command {
  return new Command('up')
    .description('Serves a model, split into layer services with a Dapr sidecar each, on this machine.')
    .option(
      '--model <path|hub-id>',
      'GGUF file or Hugging Face folder (default: the demo model)',
      callerModel,
    )
    .option('--alias <name>', 'a further name of the model in the API; may be repeated', collect, [])
    .addOption(
      new Option('--stages <n>', 'cut the model into so many stages of even cost')
        .argParser(wholeNumber(1, 1_000))
        .conflicts('split'),
    )
    .addOption(variable('--split <boundaries>', 'cut the model at these layers, such as 10,20', 'SPLIT'))
    .option('--replicas <stage=n>', 'such as stage-1=2; may be repeated', collect, [])
    .addOption(
      variable('--precision <precision>', 'of the weights', 'PRECISION')
        .choices(['int8', 'f32'])
        .default('int8'),
    )
    .addOption(
      variable('--mesh <mesh>', 'how the services reach each other', 'MESH')
        .choices(['dapr', 'direct'])
        .default('dapr'),
    )
    .addOption(portOption())
    .addOption(new Option('--state <store>', 'state store of the mesh').choices(['sqlite']).default('sqlite'))
    .addOption(
      variable('--kv-tokens <n>', 'KV room of each replica', 'KV_TOKENS').argParser(wholeNumber(64, 1 << 30)),
    )
    .addOption(variable('--threads <n>', 'of each replica', 'THREADS').argParser(wholeNumber(1, 1_024)))
    .option('--trace', 'start a collector, Jaeger and Prometheus too, where they are installed', false)
    .option('--detach', 'return once it serves; npm run down stops it', false)
    .action(action);
}
