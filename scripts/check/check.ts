import { join } from 'node:path';
import { Command } from 'commander';
import { ServingError } from '../../services/lib/errors/serving-error.js';
import { findBrowser, missingBrowser } from '../lib/check/browser.js';
import { conclude, inOrder, setUpStep, toolStep, type CheckStep } from '../lib/check/check-step.js';
import { generatedStep, jestStep } from '../lib/check/project-steps.js';
import { runCommand, stopSignal } from '../lib/cli/command.js';
import { kustomize } from '../lib/k8s/kubectl.js';
import { ensureDaprdStep } from '../lib/local/daprd.js';
import {
  findPromtool,
  findTelemetryPrograms,
  missingPrograms,
  telemetryPrograms,
} from '../lib/local/telemetry/programs.js';
import { locateModel, prepare } from '../lib/model/prepare.js';
import { repositoryRoot } from '../lib/repository.js';

/** What the integration tests stand on. */
const integrationNeeds: readonly CheckStep[] = [
  setUpStep('daprd', async (signal) => {
    const daprd = await ensureDaprdStep(signal);
    if (daprd === null)
      throw new ServingError('sidecar_missing', 'there is no daprd 1.18 and no Go to build it');
  }),
  setUpStep('shards', async (signal) => {
    const model = await locateModel(undefined, signal);
    await prepare(model, 'f32', signal);
    await prepare(model, 'int8', signal);
  }),
];

/** What must be there before. */
const setUp: readonly CheckStep[] = [
  ...integrationNeeds,
  setUpStep('kustomize', () => kustomize(join(repositoryRoot, 'k8s', 'overlays', 'local'))),
];

/** What computes all the time runs beside the tests, which wait for a good part of theirs. */
const tools: readonly CheckStep[] = [
  toolStep('format', 'oxfmt', '--check'),
  generatedStep,
  toolStep('types', 'tsc', '--noEmit'),
  toolStep('types of the console', 'tsc', '-p', 'test/console'),
  toolStep('lint', 'oxlint', '--type-aware', '--deny-warnings'),
];
const tests = jestStep(['unit', 'integration'], '--maxWorkers=3');

/** Nothing beside them. */
const timed = jestStep(['timed'], '--runInBand');
const smoke = jestStep(['console'], '--runInBand', '--testPathPatterns', 'smoke');

/** Without these, tests are skipped; with `--telemetry` that is a failure. */
const programs: CheckStep = {
  name: 'programs',
  run: (_signal, print) => {
    const missing = missingPrograms(findTelemetryPrograms());
    if (findPromtool() === null) {
      missing.push(new ServingError('telemetry_missing', 'there is no promtool: the rules are not tested'));
    }
    missing.forEach((each) => print(`${each.toLine()}\n`));
    return Promise.resolve({
      passed: telemetryPrograms.length + 1 - missing.length,
      failed: missing.length,
    });
  },
};

/** Without one the console's tests are skipped; with `--console` that is a failure. */
const browser = setUpStep('browser', () =>
  findBrowser() === null ? Promise.reject(missingBrowser()) : Promise.resolve(),
);

const consoleSteps: readonly CheckStep[] = [
  browser,
  ...integrationNeeds,
  jestStep(['console'], '--runInBand'),
];

const telemetry: readonly CheckStep[] = [
  programs,
  ...integrationNeeds,
  jestStep(['integration'], '--runInBand', '--testPathPatterns', 'telemetry'),
];

await runCommand(
  new Command('check')
    .description(
      'Everything that must hold: format, lint, types, generated code, unit and integration tests.',
    )
    .option(
      '--telemetry',
      'only the tests of the telemetry pipeline, whose programs must be installed',
      false,
    )
    .option('--console', 'only the tests of the console in a browser, which must be installed', false)
    .action(async (options: { telemetry: boolean; console: boolean }) => {
      const signal = stopSignal();
      if (options.console) {
        conclude(await inOrder(consoleSteps, signal));
        return;
      }
      if (options.telemetry) {
        conclude(await inOrder(telemetry, signal));
        return;
      }
      const outcomes = await inOrder(setUp, signal);
      const both = [inOrder(tools, signal, 'held'), inOrder([tests], signal)];
      outcomes.push(...(await Promise.all(both)).flat(), ...(await inOrder([timed], signal)));
      if (findBrowser() === null) console.log(missingBrowser().toLine('warning'));
      else outcomes.push(...(await inOrder([smoke], signal)));
      // Their tests were skipped; `npm run check:telemetry` fails there instead.
      for (const each of missingPrograms(findTelemetryPrograms())) console.log(each.toLine('warning'));
      conclude(outcomes);
    }),
);
