import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Command } from 'commander';
import { runStep } from '../bootstrap/step.mjs';
import { runCommand, stopSignal } from '../lib/cli/command.js';
import { count } from '../lib/cli/options.js';
import { planSystem } from '../lib/local/plan-system.js';
import { findTelemetryPrograms, missingPrograms } from '../lib/local/telemetry/programs.js';
import { exampleTrace } from '../lib/measure/observe/trace.js';
import { measureOverhead } from '../lib/measure/observe/overhead.js';
import { resultsOf } from '../lib/measure/observe/page.js';
import { measurePredictions, measureTruth } from '../lib/measure/observe/slow-stage.js';
import { writeResults } from '../lib/measure/page.js';
import { repositoryRoot } from '../lib/repository.js';

const PAGE = join(repositoryRoot, 'docs', 'observability.md');
const TRACE = join(repositoryRoot, 'docs', 'observability', 'trace.json');

await runCommand(
  new Command('observe')
    .description(
      'Measures what traces and reports are worth: a trace of one request, a slow stage that is found, a prediction ' +
        'that comes true, and what tracing costs. About ten minutes; needs the collector, Jaeger and Prometheus.',
    )
    .addOption(count('--rounds <n>', 'of the comparison with and without tracing', 5, [1, 100]))
    .option('--docs', 'write the results into docs/observability.md')
    .action(async ({ rounds, docs }: { rounds: number; docs?: true }) => {
      const signal = stopSignal();
      const programs = findTelemetryPrograms();
      const [missing] = missingPrograms(programs);
      if (missing !== undefined) throw missing;
      const plan = await planSystem({}, signal);
      const observed = {
        model: `${plan.modelName} ${plan.served['LAYERMESH_PRECISION'] ?? ''}`,
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
