import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { z } from 'zod';
import { runTool } from '../../bootstrap/tool.mjs';
import { repositoryRoot } from '../repository.js';
import { type CheckStep, FAILED, type Outcome } from './check-step.js';

const report = z.object({
  numPassedTests: z.number(),
  numFailedTests: z.number(),
  /** Files that do not even load. */
  numRuntimeErrorTestSuites: z.number(),
  numTotalTests: z.number(),
});

/** The tests of one jest project, each counted. What jest writes is shown as it comes. */
export function jestStep(project: string, ...args: string[]): CheckStep {
  return {
    name: `${project} tests`,
    run: async (signal, print) => {
      const folder = await mkdtemp(join(tmpdir(), 'layermesh-jest-'));
      const outputFile = join(folder, 'report.json');
      const jest = [
        '--experimental-vm-modules',
        '--disable-warning=ExperimentalWarning',
        join(repositoryRoot, 'node_modules', 'jest', 'bin', 'jest.js'),
      ];
      const select = ['--selectProjects', project, '--json', '--outputFile', outputFile];
      try {
        const env = { ...process.env, FORCE_COLOR: process.stdout.isTTY ? '1' : '0' };
        await runTool(process.execPath, [...jest, ...select, ...args], {
          cwd: repositoryRoot,
          env,
          signal,
          onText: print,
        });
        return outcomeOf(await readFile(outputFile, 'utf8'));
      } catch (error) {
        signal.throwIfAborted();
        print(`${project} tests left no report: ${String(error)}\n`);
        return FAILED;
      } finally {
        await rm(folder, { recursive: true, force: true });
      }
    },
  };
}

/** A project without tests fails: something has gone wrong with finding them. */
export function outcomeOf(json: string): Outcome {
  const counts = report.parse(JSON.parse(json));
  const nothing = counts.numTotalTests === 0 ? 1 : 0;
  return {
    passed: counts.numPassedTests,
    failed: Math.max(counts.numFailedTests + counts.numRuntimeErrorTestSuites, nothing),
  };
}
