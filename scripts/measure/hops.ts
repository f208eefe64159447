import { Command, Option } from 'commander';
import { ServingError } from '../../services/lib/errors/serving-error.js';
import { runCommand, stopSignal } from '../lib/cli/command.js';
import { callerPath, count, listOf, meshOption, wholeNumber } from '../lib/cli/options.js';
import { ensureDaprdStep } from '../lib/local/daprd.js';
import { hopsReport, isQuiet, type Load } from '../lib/measure/hops/report.js';
import { runHops } from '../lib/measure/hops/run-hops.js';
import { writeSection } from '../lib/measure/page.js';
import { repositoryRoot, writeWhole } from '../lib/repository.js';

interface Options {
  readonly mesh: 'dapr' | 'direct';
  readonly rows: readonly number[];
  readonly promptRows: number;
  readonly hidden: number;
  readonly rounds: number;
  readonly transfers: number;
  readonly pause: number;
  readonly against?: string;
  readonly smoke: boolean;
  readonly json?: string;
  readonly docs: boolean;
}

await runCommand(
  new Command('hops')
    .description(
      'Measures a hop: rows from one service to the next, through their sidecars and direct, one way. ' +
        'Two processes with the links of the product, and no engine.',
    )
    .addOption(meshOption('dapr measures both routes'))
    .addOption(
      new Option('--rows <n,…>', 'so many sequences’ rows at once, as a decode step has')
        .argParser(listOf(wholeNumber(1, 1_024)))
        .default([1, 16, 64], '1,16,64'),
    )
    .addOption(count('--prompt-rows <n>', 'of one prompt at once', 1_152, [1, 4_096]))
    .addOption(count('--hidden <n>', 'f16 values of a row', 5_120, [1, 32_768]))
    .addOption(count('--rounds <n>', 'times that every load and arm is measured', 5))
    .addOption(count('--transfers <n>', 'of each of them in a round; a quarter of prompts', 100))
    .addOption(count('--pause <ms>', 'between an answer and the next transfer', 5, [0, 10_000]))
    .option('--against <folder>', 'another compiled checkout, as further arms of the same run', callerPath)
    .option('--smoke', 'one round of few transfers, to see that all of it works', false)
    .option('--json <file>', 'writes the time of every hop', callerPath)
    .option('--docs', 'writes the results into docs/benchmarks.md', false)
    .action(hops),
);

async function hops(options: Options): Promise<void> {
  const { rows, promptRows, hidden, against, smoke, pause } = options;
  const signal = stopSignal();
  const daprd = options.mesh === 'direct' ? null : await ensureDaprdStep(signal);
  if (daprd === null && options.mesh === 'dapr')
    throw new ServingError('sidecar_missing', 'there is no daprd 1.18 and no Go to build it', {
      hint: '--mesh direct measures the direct route alone',
    });
  const loads = [
    ...rows.map((each): Load => ({ title: `${each} × ${bytes(hidden)}`, rows: each, prompt: false })),
    { title: `a prompt of ${bytes(promptRows * hidden)}`, rows: promptRows, prompt: true },
  ];
  const run = await runHops(
    {
      roots: [repositoryRoot, ...(against === undefined ? [] : [against])],
      daprd,
      loads,
      hidden,
      rounds: smoke ? 1 : options.rounds,
      transfers: smoke ? 4 : options.transfers,
      pauseMs: pause,
    },
    signal,
  );
  const report = hopsReport(run);
  console.log(report);
  if (options.json !== undefined) writeWhole(options.json, `${JSON.stringify(run)}\n`);
  if (!options.docs) return;
  if (isQuiet(run)) {
    writeSection('Hops', report);
  } else {
    console.error('docs/benchmarks.md stays as it is: the machine was not quiet');
    process.exitCode = 1;
  }
}

/** Of f16 values. */
function bytes(values: number): string {
  const size = values * 2;
  return size < 1e6 ? `${(size / 1e3).toFixed(1)} kB` : `${(size / 1e6).toFixed(1)} MB`;
}
