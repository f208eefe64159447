import { Command, InvalidArgumentError, Option } from 'commander';
import type { Precision } from '../../../services/lib/engine/types.js';
import { wholeNumber } from '../whole-number.js';
import { WORKLOADS, type WorkloadName } from './workloads/names.js';
import { callerModel, callerPath } from '../caller-path.js';

export const ARMS = ['unsplit', 'split', 'dapr', 'dapr-plain', 'direct'] as const;
export type ArmName = (typeof ARMS)[number];

export const PEERS = ['llama-server', 'openvino-genai'] as const;
export type PeerName = (typeof PEERS)[number];

export interface BenchOptions {
  readonly url?: string;
  readonly model?: string;
  readonly stages?: number;
  readonly split?: string;
  readonly precision: Precision;
  readonly mesh: 'dapr' | 'direct';
  readonly threads?: number;
  readonly arms?: readonly ArmName[];
  readonly compare: readonly PeerName[];
  readonly peerModel?: string;
  readonly peerPython: string;

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

  readonly sloTtft: number;
  readonly sloTpot: number;
  readonly json?: string;
  readonly docs: boolean;
  readonly smoke: boolean;
}

export function benchCommand(action: (options: BenchOptions) => Promise<void>): Command {
  return new Command('bench')
    .description('Measures a running endpoint, or systems that it starts and stops itself, as a client does.')
    .optionsGroup('What is measured:')
    .addOption(new Option('--url <url>', 'an endpoint that runs already').argParser(endpoint))
    .option(
      '--model <path|hub-id>',
      'GGUF file or Hugging Face folder (default: the demo model)',
      callerModel,
    )
    .addOption(count('--stages <n>', 'cut the model into so many stages of even cost').conflicts('split'))
    .option('--split <boundaries>', 'cut the model at these layers, such as 10,20')
    .addOption(
      new Option('--precision <precision>', 'of the weights').choices(['int8', 'f32']).default('int8'),
    )
    .addOption(
      new Option('--mesh <mesh>', 'how the services of the split system reach each other')
        .choices(['dapr', 'direct'])
        .default('dapr'),
    )
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
    .addOption(count('--requests <n>', 'of each client in a closed loop; at least 4 in all', 2))
    .addOption(count('--rounds <n>', 'times that every arm is started and measured', 3))
    .addOption(
      new Option('--seed <n>', 'of prompts and arrivals').argParser(wholeNumber(0, 2 ** 31)).default(1),
    )
    .option('--smoke', 'one round of one small load, to see that all of it works', false)
    .optionsGroup('What is made of it:')
    .addOption(count('--slo-ttft <ms>', 'a request counts as good up to this time to first token', 1_000))
    .addOption(count('--slo-tpot <ms>', 'and up to this time per output token', 100))
    .option('--json <file>', 'writes a row for every request', callerPath)
    .option('--docs', 'writes the results into docs/benchmarks.md', false)
    .action(action);
}

function count(flags: string, description: string, fallback?: number): Option {
  const option = new Option(flags, description).argParser(wholeNumber(1, 1 << 30));
  return fallback === undefined ? option : option.default(fallback);
}

const listOf =
  <Item>(parse: (text: string) => Item) =>
  (text: string): Item[] =>
    text.split(',').map((item) => parse(item.trim()));

const oneOf =
  <Name extends string>(names: readonly Name[]) =>
  (text: string): Name => {
    const found = names.find((name) => name === text);
    if (found !== undefined) return found;
    throw new InvalidArgumentError(`Allowed are ${names.join(', ')}.`);
  };

function positive(text: string): number {
  const value = Number(text);
  if (text !== '' && Number.isFinite(value) && value > 0) return value;
  throw new InvalidArgumentError('It must be a number above 0.');
}

function endpoint(text: string): string {
  if (URL.canParse(text)) return text.replace(/\/+$/, '').replace(/\/v1$/, '');
  throw new InvalidArgumentError('It must be a URL such as http://127.0.0.1:8000.');
}
