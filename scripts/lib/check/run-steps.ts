import type { CheckStep, Outcome } from './check-step.js';

/** Runs all steps, whatever fails. Beside others a step shows its output when it is done, so that none mix. */
export async function inOrder(
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

/** Prints the sums on a last line, and makes the command fail if anything has. */
export function conclude(outcomes: readonly Outcome[]): void {
  const sum = (key: keyof Outcome): number => outcomes.reduce((total, outcome) => total + outcome[key], 0);
  console.log(`${sum('passed')} passed, ${sum('failed')} failed`);
  if (sum('failed') > 0) process.exitCode = 1;
}
