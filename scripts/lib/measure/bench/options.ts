import { Command, InvalidArgumentError, Option } from 'commander';
import type { Precision } from '../../../../services/lib/engine/types.js';
import {
  callerPath,
  count,
  engineOptions,
  type EngineOptions,
  listOf,
  meshOption,
  modelOption,
  oneOf,
  positive,
  precisionOption,
  seedOption,
  stagesOption,
  wholeNumber,
} from '../../cli/options.js';
import { runningUrl } from '../../local/run/running.js';

const ARMS = ['unsplit', 'split', 'dapr', 'dapr-plain', 'direct'] as const;
export type ArmName = (typeof ARMS)[number];

export const PEERS = ['llama-server', 'llama-server-ngram', 'openvino-genai'] as const;
type PeerName = (typeof PEERS)[number];

/** What `--workload` takes; docs/benchmarks.md describes each. */
export const WORKLOADS = [
  'sweep',
  'step',
  'conversation',
  'code-bursts',
  'long-prompt',
  'shared-prefix',
  'rewrite',
  'sharegpt',
  'bars',
] as const;
export type WorkloadName = (typeof WORKLOADS)[number];

/** What is asked of each system. */
export interface LoadOptions extends Pick<EngineOptions, 'dilate'> {
  readonly model?: string;
  readonly concurrency?: readonly number[];
  readonly rate?: readonly number[];
  readonly workload?: WorkloadName;
  readonly duration: number;
  readonly promptTokens: number;
  readonly outputTokens: number;
  readonly longPromptTokens: number;
  readonly sharedTokens: number;
  readonly requests: number;
  readonly rounds: number;
  readonly seed: number;
  readonly smoke: boolean;
}

export interface BenchOptions extends LoadOptions, EngineOptions {
  readonly url?: string;
  readonly stages?: number;
  readonly split?: string;
  readonly precision: Precision;
  readonly mesh: 'dapr' | 'direct';
  readonly threads?: number;
  readonly arms?: readonly ArmName[];
  readonly compare: readonly PeerName[];
  readonly peerModel?: string;
  readonly peerPython: string;

  readonly sloTtft: number;
  readonly sloTpot: number;
  readonly json?: string;
  readonly docs: boolean;
}

export function benchCommand(action: (options: BenchOptions) => Promise<void>): Command {
  const command = new Command('bench')
    .description('Measures a running endpoint, or systems that it starts and stops itself, as a client does.')
    .optionsGroup('What is measured:')
    .addOption(new Option('--url <url>', 'an endpoint that runs already').argParser(endpoint))
    .addOption(new Option('--running', 'the local system that runs').implies({ url: runningUrl() }))
    .addOption(modelOption())
    .addOption(stagesOption().conflicts('split'))
    .option('--split <boundaries>', 'cut the model at these layers, such as 10,20')
    .addOption(precisionOption())
    .addOption(meshOption('how the services of the split system reach each other'))
    .addOption(count('--threads <n>', 'of each stage and of each peer (default: what the machine grants)'))
    .addOption(
      new Option('--arms <names>', `several of ours, one after another: ${ARMS.join(', ')}`)
        .argParser(listOf(oneOf(ARMS)))
        .conflicts('url'),
    )
    .addOption(
      new Option('--compare <peers>', PEERS.join(', ')).argParser(listOf(oneOf(PEERS))).default([], 'none'),
    )
    .option('--peer-model <file>', 'GGUF file of the peers (default: that of --model)', callerPath)
    .option('--peer-python <path>', 'interpreter that has openvino-genai', 'python3')
    .optionsGroup('What is asked of it:')
    .addOption(
      new Option('--concurrency <n,…>', 'closed loop: so many clients (default: 1,4,16)').argParser(
        listOf(wholeNumber(1, 1_024)),
      ),
    )
    .addOption(
      new Option(
        '--rate <r,…>',
        'open loop: Poisson arrivals, or the mean rate of a workload, requests/s',
      ).argParser(listOf(positive)),
    )
    .addOption(new Option('--workload <name>', 'see docs/benchmarks.md').choices(WORKLOADS))
    .addOption(count('--duration <s>', 'of an open loop', 60))
    .addOption(count('--prompt-tokens <n>', 'where the workload does not say', 128))
    .addOption(count('--output-tokens <n>', 'where the workload does not say', 128))
    .addOption(count('--long-prompt-tokens <n>', 'of --workload long-prompt', 2_000))
    .addOption(count('--shared-tokens <n>', 'of --workload shared-prefix', 1_000))
    .addOption(count('--requests <n>', 'of each client in a closed loop; at least 12 in all', 2))
    .addOption(count('--rounds <n>', 'times that every arm is started and measured', 3))
    .addOption(seedOption('of prompts and arrivals'))
    .option('--smoke', 'one round of one small load, to see that all of it works', false)
    .optionsGroup('What is made of it:')
    .addOption(count('--slo-ttft <ms>', 'a request counts as good up to this time to first token', 1_000))
    .addOption(count('--slo-tpot <ms>', 'and up to this time per output token', 100))
    .option('--json <file>', 'writes a row for every request', callerPath)
    .option(
      '--docs',
      'writes the results into docs/benchmarks.md, of timed stages into docs/benchmarks/timed.md',
      false,
    )
    .action(action);
  command.optionsGroup('What is measured:');
  for (const option of engineOptions()) command.addOption(option);
  return command;
}

function endpoint(text: string): string {
  if (URL.canParse(text)) return text.replace(/\/+$/, '').replace(/\/v1$/, '');
  throw new InvalidArgumentError('It must be a URL such as http://127.0.0.1:8000.');
}
