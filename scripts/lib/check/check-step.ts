import { delimiter, join } from 'node:path';
import { ServingError } from '../../../services/lib/errors/serving-error.js';
import { runTool } from '../../bootstrap/tool.mjs';
import { repositoryRoot } from '../repository.js';

/** How many things a step of `npm run check` has found to hold, and how many not. */
export interface Outcome {
  readonly passed: number;
  readonly failed: number;
}

export interface CheckStep {
  readonly name: string;
  /** Never rejects because something does not hold; `print` shows what the step has to say. */
  readonly run: (signal: AbortSignal, print: (text: string) => void) => Promise<Outcome>;
}

export const PASSED: Outcome = { passed: 1, failed: 0 };
export const FAILED: Outcome = { passed: 0, failed: 1 };

/** A program of node_modules/.bin that exits with 0 when all is well. What it writes matters only otherwise. */
export function toolStep(name: string, program: string, ...args: string[]): CheckStep {
  return {
    name,
    run: async (signal, print) => {
      const { code, output } = await runPackageTool(program, args, { signal });
      if (code !== 0) print(output);
      return code === 0 ? PASSED : FAILED;
    },
  };
}

/** Something that must be there before other steps can run. */
export function setUpStep(name: string, setUp: (signal: AbortSignal) => Promise<unknown>): CheckStep {
  return {
    name,
    run: async (signal, print) => {
      try {
        await setUp(signal);
        return PASSED;
      } catch (error) {
        signal.throwIfAborted();
        print(`${ServingError.from(error).toLine()}\n`);
        return FAILED;
      }
    },
  };
}

/**
 * For V8: MiB of each half of what is new. Compilers and tests make much that lives a little longer than the default of 16 MiB is filled
 * in; with more each takes about a tenth less processor time.
 */
export const ROOM_FOR_NEW = '--max-semi-space-size=64';

/** Runs a program of node_modules/.bin in the repository; its own plugins are found on the PATH. */
export function runPackageTool(
  program: string,
  args: readonly string[],
  options: { signal: AbortSignal; onText?: (text: string) => void },
): Promise<{ code: number; output: string }> {
  const bin = join(repositoryRoot, 'node_modules', '.bin');
  const PATH = `${bin}${delimiter}${process.env['PATH'] ?? ''}`;
  const env = {
    ...process.env,
    PATH,
    NODE_OPTIONS: [process.env['NODE_OPTIONS'], ROOM_FOR_NEW].join(' ').trim(),
  };
  return runTool(join(bin, program), args, { cwd: repositoryRoot, env, ...options });
}

/** Runs all steps, whatever fails. With `held` a step shows its output when it is done, so that it mixes with nobody's. */
export async function inOrder(
  steps: readonly CheckStep[],
  signal: AbortSignal,
  output: 'live' | 'held' = 'live',
): Promise<Outcome[]> {
  const outcomes: Outcome[] = [];
  for (const { name, run } of steps) {
    const started = performance.now();
    let kept = '';
    const print = (text: string): void => {
      if (output === 'held') kept += text;
      else process.stdout.write(text);
    };
    const outcome = await run(signal, print);
    process.stdout.write(kept);
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
