import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Command } from 'commander';
import { writeResults } from './lib/bench/report/results-page.js';
import { runStep } from './bootstrap/step.mjs';
import { runCommand, stopSignal } from './lib/command.js';
import { exampleTrace } from './lib/observe/example-trace.js';
import { measureOverhead } from './lib/observe/overhead.js';
import { resultsOf } from './lib/observe/page.js';
import { measurePredictions } from './lib/observe/prediction.js';
import { measureTruth } from './lib/observe/truth.js';
import { planSystem } from './lib/plan-system.js';
import { freePorts } from './lib/ports.js';
import { repositoryRoot } from './lib/repository.js';
import { findTelemetryPrograms, missingPrograms } from './lib/telemetry/programs.js';
import { wholeNumber } from './lib/whole-number.js';

const PAGE = join(repositoryRoot, 'docs', 'observability.md');
const TRACE = join(repositoryRoot, 'docs', 'observability', 'trace.json');

await runCommand(
  new Command('observe')
    .description(
      'Measures what traces and reports are worth: a trace of one request, a slow stage that is found, a prediction ' +
        'that comes true, and what tracing costs. About ten minutes; needs the collector, Jaeger and Prometheus.',
    )
    .option('--rounds <n>', 'of the comparison with and without tracing', wholeNumber(1, 100), 5)
    .option('--docs', 'write the results into docs/observability.md')
    .action(async ({ rounds, docs }: { rounds: number; docs?: true }) => {
      const signal = stopSignal();
      const programs = findTelemetryPrograms();
      const [missing] = missingPrograms(programs);
      if (missing !== undefined) throw missing;
      const [port] = (await freePorts(1)) as [number];
      const options = {
        port,
        replicas: [],
        precision: 'int8',
        mesh: 'dapr',
        state: 'sqlite',
        trace: false,
        detach: false,
      } as const;
      const plan = await planSystem(options, signal);
      const observed = {
        model: `${plan.modelName} ${plan.precision}`,
        split: plan.split,
        trace: await runStep('the trace of a request', () => exampleTrace(plan, programs, signal)),
        truth: await runStep('a slow stage', () => measureTruth(plan, signal)),
        predictions: await runStep('one more replica', () => measurePredictions(plan, signal)),
        overhead: await runStep('what tracing costs', () => measureOverhead(plan, programs, rounds, signal)),
      };
      const results = resultsOf(observed, new Date());
      console.log(`\n${results}`);
      if (docs === undefined) return;
      mkdirSync(join(TRACE, '..'), { recursive: true });
      writeFileSync(TRACE, `${JSON.stringify(observed.trace, null, 1)}\n`);
      writeResults(results, PAGE);
    }),
);
