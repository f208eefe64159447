import { homedir } from 'node:os';
import { basename } from 'node:path';
import { benchCommand, type BenchOptions } from './lib/bench/bench-options.js';
import { loadsOf } from './lib/bench/loads.js';
import { planArms } from './lib/bench/plan-arms.js';
import { barsReport } from './lib/bench/report/bars.js';
import { loadReport } from './lib/bench/report/load-report.js';
import { describeMachine } from './lib/bench/report/machine.js';
import { writeRawRows } from './lib/bench/report/raw-rows.js';
import { unpublishableReason } from './lib/bench/report/publishable.js';
import { writeResults } from './lib/bench/report/results-page.js';
import { headerText, type RunHeader } from './lib/bench/report/run-header.js';
import { runBench } from './lib/bench/run-bench.js';
import { throughputOf, type Trial } from './lib/bench/trial.js';
import { runCommand, stopSignal } from './lib/command.js';

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
    command: ['npm run bench --', ...process.argv.slice(2)].join(' ').replaceAll(homedir(), '~'),
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
  if (trials.some(({ records }) => records.some(({ error }) => error !== null))) process.exitCode = 1;
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
