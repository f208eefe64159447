import { basename } from 'node:path';
import { runCommand, stopSignal } from './lib/cli/command.js';
import { planArms } from './lib/measure/bench/arms.js';
import { barsReport } from './lib/measure/bench/bars.js';
import { headerText, loadReport } from './lib/measure/bench/load-report.js';
import { loadsOf } from './lib/measure/bench/loads.js';
import { benchCommand, type BenchOptions } from './lib/measure/bench/options.js';
import { unpublishableReason, writeRawRows, type RunHeader } from './lib/measure/bench/rows.js';
import { runBench } from './lib/measure/bench/run-bench.js';
import { commandLine, describeMachine, writeResults } from './lib/measure/page.js';
import { failedOf, throughputOf } from './lib/measure/figures/requests.js';
import type { Trial } from './lib/measure/types.js';

await runCommand(benchCommand(bench));

async function bench(options: BenchOptions): Promise<void> {
  const signal = stopSignal();
  const date = new Date().toISOString();
  const loads = loadsOf(options);
  const arms = await planArms(options, signal);
  const rounds = options.smoke ? 1 : options.rounds;
  const trials: Trial[] = [];
  const versions = await runBench(
    { arms, loads, rounds, seed: options.seed },
    {
      onStart: (arm, round) => console.error(`round ${round} of ${rounds}: ${arm}`),
      onTrial: (trial) => {
        trials.push(trial);
        console.error(`  ${trial.load}: ${throughputOf(trial).toFixed(1)} output tokens/s`);
      },
    },
    signal,
  );

  const header: RunHeader = {
    date,
    command: commandLine('bench'),
    model: options.model === undefined ? 'the demo model' : basename(options.model),
    machine: describeMachine(),
    rounds,
    level: { ttft: options.sloTtft, tpot: options.sloTpot },
    versions: Object.fromEntries(versions),
  };
  const sections = loads.map((load) => loadReport(load, trials, { arms, level: header.level }));
  const bars = options.workload === 'bars' ? [barsReport(trials, arms)] : [];
  const report = [headerText(header), ...bars, ...sections].join('\n\n');
  console.log(report);
  if (options.json !== undefined) writeRawRows(options.json, header, trials);
  if (trials.some((trial) => failedOf(trial).length > 0)) process.exitCode = 1;
  if (options.docs) publish(report, trials);
}

function publish(report: string, trials: readonly Trial[]): void {
  const reason = unpublishableReason(trials);
  if (reason === null) {
    writeResults(report);
  } else {
    console.error(`docs/benchmarks.md stays as it is: ${reason}`);
    process.exitCode = 1;
  }
}
