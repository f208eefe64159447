import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { z } from 'zod';
import { runTool } from '../../bootstrap/tool.mjs';
import { repositoryRoot } from '../repository.js';
import { FAILED, PASSED, ROOM_FOR_NEW, runPackageTool, type CheckStep, type Outcome } from './check-step.js';

const report = z.object({
  numPassedTests: z.number(),
  numFailedTests: z.number(),
  /** Files that do not even load. */
  numRuntimeErrorTestSuites: z.number(),
  numTotalTests: z.number(),
});

/** The tests of jest projects, each counted. What jest writes is shown as it comes. */
export function jestStep(projects: readonly string[], ...args: string[]): CheckStep {
  const name = `${projects.join(' and ')} tests`;
  return {
    name,
    run: async (signal, print) => {
      const folder = await mkdtemp(join(tmpdir(), 'layermesh-jest-'));
      const outputFile = join(folder, 'report.json');
      const jest = [
        ROOM_FOR_NEW,
        '--experimental-vm-modules',
        '--disable-warning=ExperimentalWarning',
        join(repositoryRoot, 'node_modules', 'jest', 'bin', 'jest.js'),
      ];
      const select = ['--selectProjects', ...projects, '--json', '--outputFile', outputFile];
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
        print(`${name} left no report: ${String(error)}\n`);
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

/** The committed code is what `npm run generate` makes of the schemas. */
export const generatedStep: CheckStep = {
  name: 'generated code',
  run: async (signal, print) => {
    const fresh = await mkdtemp(join(tmpdir(), 'layermesh-generated-'));
    try {
      const { code, output } = await runPackageTool('buf', ['generate', '--output', fresh], { signal });
      if (code !== 0) print(output);
      const outdated = await differences(fresh, repositoryRoot);
      outdated.forEach((path) => print(`${path} is not what npm run generate makes\n`));
      return code === 0 && outdated.length === 0 ? PASSED : FAILED;
    } finally {
      await rm(fresh, { recursive: true, force: true });
    }
  },
};

/** Files below `expected` that are missing or different below `actual`, as relative paths. */
async function differences(expected: string, actual: string): Promise<string[]> {
  const entries = await readdir(expected, { recursive: true, withFileTypes: true });
  const paths = entries
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(expected.length + 1));
  const same = await Promise.all(
    paths.map(async (path) => {
      const committed = await readFile(join(actual, path)).catch(() => null);
      return committed?.equals(await readFile(join(expected, path))) ?? false;
    }),
  );
  return paths.filter((_, index) => !same[index]);
}
