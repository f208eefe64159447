import { join } from 'node:path';
import { Command } from 'commander';
import { setUpStep, toolStep, type CheckStep, type Outcome } from './lib/check-step.js';
import { runCommand, stopSignal } from './lib/command.js';
import { generatedStep } from './lib/generated-step.js';
import { integrationNeeds } from './lib/integration-needs.js';
import { jestStep } from './lib/jest-step.js';
import { kustomize } from './lib/k8s/kustomize.js';
import { repositoryRoot } from './lib/repository.js';
import { conclude, inOrder } from './lib/run-steps.js';
import { findTelemetryPrograms, missingPrograms } from './lib/telemetry/programs.js';

/** What must be there before. */
const setUp: readonly CheckStep[] = [
  ...integrationNeeds,
  setUpStep('kustomize', () => kustomize(join(repositoryRoot, 'k8s', 'overlays', 'local'))),
];

/** Two lanes of about as much work, because one alone leaves a core idle. */
const lanes: readonly (readonly CheckStep[])[] = [
  [toolStep('lint', 'eslint', '.'), jestStep('unit', '--maxWorkers=1', '--shard=3/3')],
  [
    toolStep('format', 'prettier', '--check', '.'),
    generatedStep,
    toolStep('types', 'tsc', '--noEmit'),
    jestStep('unit', '--maxWorkers=1', '--shard=1/3'),
    jestStep('unit', '--maxWorkers=1', '--shard=2/3'),
  ],
];

/** Whole systems wait as much as they compute, so that two share two cores; what is about time runs alone. */
const whole: readonly CheckStep[] = [
  jestStep('integration', '--maxWorkers=2'),
  jestStep('timed', '--runInBand'),
];

await runCommand(
  new Command('check')
    .description(
      'Everything that must hold: format, lint, types, generated code, unit and integration tests.',
    )
    .action(async () => {
      const signal = stopSignal();
      const outcomes: Outcome[] = [];
      for (const group of [[setUp], lanes, [whole]]) {
        const results = await Promise.all(group.map((steps) => inOrder(steps, group.length > 1, signal)));
        outcomes.push(...results.flat());
      }
      // Their tests were skipped; `npm run check:telemetry` fails there instead.
      for (const each of missingPrograms(findTelemetryPrograms())) console.log(each.toLine('warning'));
      conclude(outcomes);
    }),
);
