import { Command, Option } from 'commander';
import type { Precision } from '../../../services/lib/engine/types.js';
import { parseStateStore, type StateStore } from './state-store.js';
import {
  callerPath,
  collect,
  count,
  engineOptions,
  type EngineOptions,
  meshOption,
  modelsOption,
  portOption,
  precisionOption,
  stagesOption,
} from '../cli/options.js';

/** What `up` was asked for; what is undefined is for the run file or the service to decide. */
export interface UpOptions extends EngineOptions {
  /** The first is meant where a request names none. */
  readonly model?: string | readonly string[];
  /** Further names of the first model. */
  readonly alias?: readonly string[];
  readonly stages?: number;
  readonly split?: string;
  readonly replicas: readonly string[];
  readonly precision: Precision;
  readonly mesh: 'dapr' | 'direct';
  readonly port: number;
  readonly state: StateStore;
  readonly kvTokens?: number;
  readonly threads?: number;
  /** Path of the list of keys. */
  readonly keys?: string;
  readonly insecure?: boolean;
  readonly trace: boolean;
  readonly detach: boolean;
}

/** Many of its options are set by a LAYERMESH variable of the same meaning too. */
export function upCommand(action: (options: UpOptions) => Promise<void>): Command {
  const command = new Command('up')
    .description('Serves a model, split into layer services with a Dapr sidecar each, on this machine.')
    .addOption(modelsOption())
    .option('--alias <name>', 'a further name of the (first) model in the API; may be repeated', collect, [])
    .addOption(stagesOption().conflicts('split'))
    .addOption(
      new Option('--split <boundaries>', 'cut the (first) model at these layers, such as 10,20').env(
        'LAYERMESH_SPLIT',
      ),
    )
    .option('--replicas <stage=n>', 'such as stage-1=2; may be repeated', collect, [])
    .addOption(precisionOption().env('LAYERMESH_PRECISION'))
    .addOption(meshOption().env('LAYERMESH_MESH'))
    .addOption(portOption())
    .addOption(
      new Option('--state <store>', 'state store behind Dapr: sqlite, or a Redis, redis://host:port')
        .argParser(parseStateStore)
        .default('sqlite'),
    )
    .addOption(
      count('--kv-tokens <n>', 'KV room of each replica', undefined, [64, 1 << 30]).env(
        'LAYERMESH_KV_TOKENS',
      ),
    )
    .addOption(count('--threads <n>', 'of each replica', undefined, [1, 1_024]).env('LAYERMESH_THREADS'))
    .addOption(
      new Option('--api-keys, --keys <file>', 'who may ask (docs/security.md)')
        .argParser(callerPath)
        .env('LAYERMESH_KEYS_FILE'),
    )
    .option('--insecure', 'let it listen beyond this machine without keys')
    .option('--trace', 'start a collector, Jaeger and Prometheus too, where they are installed', false)
    .option('--detach', 'return once it serves; npm run down stops it', false)
    .action(action);
  for (const option of engineOptions()) command.addOption(option);
  return command;
}
