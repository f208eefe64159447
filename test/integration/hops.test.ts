import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { runTool } from '../../scripts/bootstrap/tool.mjs';
import type { HopsRun } from '../../scripts/lib/measure/hops/report.js';
import { repositoryRoot } from '../../scripts/lib/repository.js';
import { temporaryFolder } from '../support/temporary-folder.js';

const door = join(repositoryRoot, 'scripts', 'run.mjs');

describe('npm run hops', () => {
  const folder = temporaryFolder();

  it('measures rows and a prompt on both routes, against another checkout as well', async () => {
    const path = join(folder.path, 'hops.json');
    const sizes = ['--rows', '1,64', '--prompt-rows', '1152', '--pause', '0'];
    const args = ['hops', '--smoke', ...sizes, '--against', repositoryRoot, '--json', path];
    const { code, output } = await runTool(process.execPath, [door, ...args], { cwd: repositoryRoot });
    expect(output).toMatch(/\| 64 × 10\.2 kB +\| dapr, before +\| 4 +\|/);
    expect(output).toMatch(/\| a prompt of 11\.8 MB +\| dapr \/ direct +\| \d/);
    expect(code).toBe(0);

    const { trials, arms } = JSON.parse(await readFile(path, 'utf8')) as HopsRun;
    expect(arms.map(({ name }) => name)).toEqual(['dapr', 'direct', 'dapr, before', 'direct, before']);
    expect(trials.map(({ hops, bytes }) => [hops.length, bytes])).toEqual(
      [4 * 10_240, 4 * 655_360, 11_796_480].flatMap((bytes) => arms.map(() => [bytes > 1e7 ? 1 : 4, bytes])),
    );
    for (const { hops } of trials) for (const each of hops) expect(each).toBeGreaterThan(0.01);
  }, 120_000);
});
