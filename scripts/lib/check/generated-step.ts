import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { repositoryRoot } from '../repository.js';
import { type CheckStep, FAILED, PASSED, runPackageTool } from './check-step.js';

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
