import { basename, relative } from 'node:path';
import { readServed } from '../../services/lib/config/config.js';
import { engineLabel } from '../../services/lib/model/plan.js';
import { runCommand, stopSignal } from '../lib/cli/command.js';
import { engineEnvironment } from '../lib/cli/options.js';
import { planArms } from '../lib/measure/bench/arms.js';
import { barsReport } from '../lib/measure/bench/bars.js';
import { headerText, loadReport } from '../lib/measure/bench/load-report.js';
import { loadsOf } from '../lib/measure/bench/loads.js';
import { benchCommand, type BenchOptions } from '../lib/measure/bench/options.js';
import { unpublishableReason, writeRawRows, type RunHeader } from '../lib/measure/bench/rows.js';
import { runBench } from '../lib/measure/bench/run-bench.js';
import {
  commandLine,
  describeMachine,
  processorKind,
  RESULTS_PAGE,
  TIMED_RESULTS_PAGE,
  writeResults,
  writeSection,
} from '../lib/measure/page.js';
import { voidReason } from '../lib/measure/figures/validity.js';
import { repositoryRoot } from '../lib/repository.js';
import { failedOf, throughputOf } from '../lib/measure/figures/requests.js';
import type { Trial } from '../lib/measure/types.js';

await runCommand(benchCommand(bench));

async function bench(options: BenchOptions): Promise<void> {
  const signal = stopSignal();
  const date = new Date().toISOString();
  const loads = loadsOf(options);
  const arms = await planArms(options, signal);
  const rounds = options.smoke ? 1 : options.rounds;
  const engine = engineOf(options);
  const stretch = engine === null ? 1 : (options.dilate ?? 1);
  const trials: Trial[] = [];
  const versions = await runBench(
    { arms, loads, rounds, seed: options.seed, stretch },
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
    model: modelOf(options),
    engine,
    machine: describeMachine(),
    rounds,
    level: { ttft: options.sloTtft * stretch, tpot: options.sloTpot * stretch },
    versions: Object.fromEntries(versions),
  };
  const sections = loads.map((load) => loadReport(load, trials, { arms, level: header.level, engine }));
  const bars = options.workload === 'bars' ? [barsReport(trials, arms)] : [];
  const invalid = voidReason(trials.map(({ usage }) => usage));
  const verdict = invalid === null ? [] : [`**Void, and not to be published: ${invalid}.**`];
  const report = [headerText(header), ...verdict, ...bars, ...sections].join('\n\n');
  console.log(report);
  if (options.json !== undefined) writeRawRows(options.json, header, trials);
  if (invalid !== null || trials.some((trial) => failedOf(trial).length > 0)) process.exitCode = 1;
  if (options.docs) publish(report, trials, engine !== null);
}

/** What a timed engine emulates; null of one that computes. */
function engineOf(options: BenchOptions): string | null {
  return engineLabel(readServed({ ...engineEnvironment(options), LAYERMESH_PREPARED: 'any' }));
}

function modelOf({ engine, shape, model }: BenchOptions): string {
  if (engine === 'timed') return `the shape of ${shape ?? 'llama-2-13b'}`;
  return model === undefined ? 'the demo model' : basename(model);
}

/** What a timed engine took is one machine's as another's. */
function publish(report: string, trials: readonly Trial[], isTimed: boolean): void {
  const reason = unpublishableReason(trials);
  if (reason === null) {
    if (isTimed) writeResults(report, TIMED_RESULTS_PAGE);
    else writeSection(`Results: ${processorKind(describeMachine())}`, report);
  } else {
    const page = isTimed ? TIMED_RESULTS_PAGE : RESULTS_PAGE;
    console.error(`${relative(repositoryRoot, page)} stays as it is: ${reason}`);
    process.exitCode = 1;
  }
}
