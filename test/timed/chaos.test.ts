import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { runTool } from '../../scripts/bootstrap/tool.mjs';
import type { Percentiles } from '../../scripts/lib/measure/figures/statistics.js';
import type { Observed } from '../../scripts/lib/chaos/report.js';
import { repositoryRoot } from '../../scripts/lib/repository.js';
import { temporaryFolder } from '../support/temporary-folder.js';

const door = join(repositoryRoot, 'scripts', 'run.mjs');

type Report = Pick<Observed, 'endings' | 'faults' | 'before' | 'after'> & { readonly health: Percentiles };

describe('npm run chaos', () => {
  const folder = temporaryFolder();
  const chaos = (...args: string[]) =>
    runTool(process.execPath, [door, 'chaos', ...args], { cwd: repositoryRoot });

  it('disturbs a system that it starts and stops, and finds nothing failed, changed or left', async () => {
    const json = join(folder.path, 'report.json');
    const faults = 'kill,stop,vanish,slow-send,flood';
    const served = ['--stages', '2', '--replicas', '2', '--mesh', 'dapr'];
    const { code, output } = await chaos('--duration', '10', '--faults', faults, ...served, '--json', json);
    expect(output).toContain('Nothing failed, changed or was left behind.');
    expect(code).toBe(0);

    const { endings, health, ...report } = JSON.parse(await readFile(json, 'utf8')) as Report;
    const of = (kind: string) => endings.find((each) => each.kind === kind);
    expect(of('good')!.answered).toBeGreaterThan(3);
    expect(of('flood')!.answered + of('flood')!.refused).toBeGreaterThan(100);
    expect(of('vanish')!.left).toBeGreaterThan(0);
    expect(health.p50).toBeGreaterThan(0);
    expect(report.faults.map(({ kind, done }) => [kind, done > 0])).toEqual(
      faults.split(',').map((kind) => [kind, true]),
    );
    expect(report.before.processes.map(({ name }) => name)).toEqual(
      report.after.processes.map(({ name }) => name),
    );
  }, 240_000);

  it.each([
    ['--duration', '9'],
    ['--faults', 'kill,murder'],
  ])('fails in one line where it cannot do as it is told: %s %s', async (...args) => {
    const { code, output } = await chaos(...args);
    expect(output).toMatch(/^error\[invalid_config\]: .*\n$/);
    expect(code).toBe(1);
  });
});
