import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { runTool } from '../../scripts/bootstrap/tool.mjs';
import type { ScaleFigures } from '../../scripts/lib/measure/scale/page.js';
import { repositoryRoot } from '../../scripts/lib/repository.js';
import { isNoError, itRefuses, type Refusal } from '../support/refusals.js';
import { temporaryFolder } from '../support/temporary-folder.js';

const door = join(repositoryRoot, 'scripts', 'run.mjs');

const REFUSED: readonly Refusal[] = [
  ['invalid_config', ['--sizes', '0x3']],
  ['invalid_config', ['--simulate', 'many']],
  ['process_failed', ['--sizes', '40x64']],
];

describe('npm run scale-study', () => {
  const folder = temporaryFolder();

  const study = (...args: string[]) =>
    runTool(process.execPath, [door, 'scale-study', ...args], { cwd: repositoryRoot, env: process.env });

  it('measures a system, and simulates meshes with the same classes', async () => {
    const json = join(folder.path, 'figures.json');
    const { code, output } = await study(
      '--sizes',
      '2x2',
      '--mesh',
      'direct',
      '--simulate',
      '2,40',
      '--json',
      json,
    );
    expect(output).toContain('#### 2 stages of 2, direct');
    expect(code).toBe(0);

    const { systems, simulations } = JSON.parse(await readFile(json, 'utf8')) as ScaleFigures;
    const { kinds, links, store } = systems[0]!.figures;
    expect(kinds.map(({ kind, count }) => `${count} ${kind}`).toSorted()).toEqual(['1 gateway', '4 service']);
    expect(kinds.every(({ pssBytes, rssBytes }) => pssBytes.min > 10e6 && rssBytes.min >= pssBytes.min)).toBe(
      true,
    );
    // The gateway to each of four, and each of two to each of two.
    expect(links.held).toBe(4 + 4);
    expect(store).toBeNull();

    const [few, many] = simulations[0]!.sizes;
    expect(few).toMatchObject({ replicas: 2, registry: { heldForDead: 0, failed: 0 } });
    expect(many).toMatchObject({ replicas: 40, registry: { heldForDead: 0, failed: 0 } });
    // Forty by chance: 40 H(40) = 171 streams on average, of which a system that asks needs one each.
    expect(many!.dapr.all.opened).toBeGreaterThan(80);
    expect(many!.direct.all.opened).toBe(40);
    // What is renewed more slowly is read no less often: 41 readers look twice a second, and 40 write.
    expect(many!.registry.operations).toBeGreaterThan(70);
    expect(many!.registry.operations).toBeLessThan(200);
  }, 240_000);

  describe('fails in one line', () => {
    itRefuses('scale-study', REFUSED, {
      args: (own) => [...own, '--mesh', 'direct', '--json', join(folder.path, 'none.json')],
      isAside: isNoError,
    });
  });
});
