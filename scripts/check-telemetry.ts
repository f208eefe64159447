import { Command } from 'commander';
import { ServingError } from '../services/lib/errors/serving-error.js';
import type { CheckStep } from './lib/check-step.js';
import { runCommand, stopSignal } from './lib/command.js';
import { integrationNeeds } from './lib/integration-needs.js';
import { jestStep } from './lib/jest-step.js';
import { conclude, inOrder } from './lib/run-steps.js';
import {
  findPromtool,
  findTelemetryPrograms,
  missingPrograms,
  telemetryPrograms,
} from './lib/telemetry/programs.js';

/** Without these, tests are skipped in `npm run check`; here that is a failure. */
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

await runCommand(
  new Command('check-telemetry')
    .description('The tests of the telemetry pipeline with the real programs, which must be installed.')
    .action(async () => {
      const tests = jestStep('integration', '--runInBand', '--testPathPatterns', 'telemetry');
      conclude(await inOrder([programs, ...integrationNeeds, tests], false, stopSignal()));
    }),
);
