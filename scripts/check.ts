import { join } from 'node:path';
import { Command } from 'commander';
import { runStep } from './bootstrap/step.mjs';
import { setUpStep, toolStep, type CheckStep, type Outcome } from './lib/check-step.js';
import { runCommand, stopSignal } from './lib/command.js';
import { ensureDaprd } from './lib/daprd.js';
import { ServingError } from '../services/lib/errors/serving-error.js';
import { generatedStep } from './lib/generated-step.js';
import { jestStep } from './lib/jest-step.js';
import { kustomize } from './lib/k8s/kustomize.js';
import { locateModel, prepare } from './lib/prepare.js';
import { repositoryRoot } from './lib/repository.js';

/** What the integration tests stand on. */
const setUp: readonly CheckStep[] = [
  setUpStep('daprd', (signal) =>
    runStep('daprd', async (onProgress) => {
      const daprd = await ensureDaprd({ signal, onProgress });
      if (daprd === null)
        throw new ServingError('sidecar_missing', 'there is no daprd 1.18 and no Go to build it');
    }),
  ),
  setUpStep('shards', async (signal) => {
    const model = await locateModel(undefined, signal);
    await prepare(model, 'f32', signal);
    await prepare(model, 'int8', signal);
  }),
  setUpStep('kustomize', () => kustomize(join(repositoryRoot, 'k8s', 'overlays', 'local'))),
];

/** Side by side, because one alone leaves a core idle. */
const lanes: readonly (readonly CheckStep[])[] = [
  [toolStep('format', 'prettier', '--check', '.'), toolStep('lint', 'eslint', '.'), generatedStep],
  [toolStep('types', 'tsc', '--noEmit'), jestStep('unit', '--maxWorkers=1')],
];

/** Alone, because they run whole systems and wait for them. */
const whole: readonly CheckStep[] = [jestStep('integration', '--runInBand')];

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
      const sum = (key: keyof Outcome): number =>
        outcomes.reduce((total, outcome) => total + outcome[key], 0);
      console.log(`${sum('passed')} passed, ${sum('failed')} failed`);
      if (sum('failed') > 0) process.exitCode = 1;
    }),
);

/** Runs all steps, whatever fails. Beside others a step shows its output when it is done, so that none mix. */
async function inOrder(
  steps: readonly CheckStep[],
  beside: boolean,
  signal: AbortSignal,
): Promise<Outcome[]> {
  const outcomes: Outcome[] = [];
  for (const { name, run } of steps) {
    const started = performance.now();
    let held = '';
    const print = (text: string): void => {
      if (beside) held += text;
      else process.stdout.write(text);
    };
    const outcome = await run(signal, print);
    process.stdout.write(held);
    const seconds = ((performance.now() - started) / 1_000).toFixed(1);
    const mark = outcome.failed === 0 ? '✓' : '✗';
    console.log(`${mark} ${name}: ${outcome.passed} passed, ${outcome.failed} failed (${seconds} s)`);
    outcomes.push(outcome);
  }
  return outcomes;
}
