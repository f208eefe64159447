import { readFile, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { runTool } from '../../scripts/bootstrap/tool.mjs';
import { repositoryRoot } from '../../scripts/lib/repository.js';
import { itRefuses, type Refusal } from '../support/refusals.js';
import { temporaryFolder } from '../support/temporary-folder.js';

const door = join(repositoryRoot, 'scripts', 'run.mjs');

interface Rows {
  readonly records: readonly { readonly error: string | null; readonly tokens: readonly number[] }[];
  readonly observations: readonly { readonly pods: readonly { readonly service: object | null }[] }[];
}

const REFUSED: readonly Refusal[] = [
  ['cluster_failed', ['--rows', 'rows']],
  ['invalid_config', ['--arms', 'd']],
  ['invalid_config', ['--scenario', 's7']],
  ['invalid_split', ['--scenario', 'cpu', '--site', 'local', '--rows', 'other', '--split', '9,6']],
];

describe('npm run experiment', () => {
  const folder = temporaryFolder();

  /** So that its rows are here, and no cluster is found. */
  const environment = (): NodeJS.ProcessEnv => ({
    ...process.env,
    TMPDIR: folder.path,
    KUBECONFIG: join(folder.path, 'none'),
  });

  it('goes from a load to rows, tables and figures without a cluster', async () => {
    const options = { cwd: repositoryRoot, env: environment() };
    const { code, output } = await runTool(process.execPath, [door, 'experiment', '--smoke'], options);
    expect({ code, output }).toMatchObject({
      code: 0,
      output: expect.stringContaining('Written to ') as string,
    });

    const rows = join(
      folder.path,
      (await readdir(folder.path)).find((name) => name.startsWith('layermesh-experiment-'))!,
    );
    for (const file of ['c-step', 'one-a-capacity']) {
      const path = join(rows, 'cpu', `${file}.json`);
      const { records, observations } = JSON.parse(await readFile(path, 'utf8')) as Rows;
      expect(records.length).toBeGreaterThan(1);
      expect(records.filter(({ error, tokens }) => error !== null || tokens.length !== 32)).toEqual([]);
      expect(observations.at(-1)!.pods.every(({ service }) => service !== null)).toBe(true);
    }
    const emulated = (await readdir(join(rows, 'smoke'))).filter((name) => name !== 'plan.json');
    expect(emulated).toHaveLength(2);
    for (const file of emulated) {
      const { records } = JSON.parse(await readFile(join(rows, 'smoke', file), 'utf8')) as Rows;
      expect(records.map(({ error, tokens }) => error ?? tokens.length)).toEqual(records.map(() => 16));
    }
    const page = await readFile(join(rows, 'experiment.md'), 'utf8');
    expect(page).toContain('### Step: 2.00 → 8.00 → 2.00 requests/s');
    expect(page).toContain('### SMOKE: Smoke');
    const figures = [...page.matchAll(/\]\((experiment\/.*?\.svg)\)/g)].map(([, path]) => path!);
    expect(figures.length).toBeGreaterThan(2);
    for (const path of figures)
      expect(await readFile(join(rows, path), 'utf8')).toMatch(/^<svg [^]*<\/svg>\n$/);
  }, 240_000);

  describe('fails in one line', () => {
    itRefuses('experiment', REFUSED, {
      args: (own) => own.map((arg) => (['rows', 'other'].includes(arg) ? join(folder.path, arg) : arg)),
      env: environment,
      isAside: (line) => line.includes(': deploying '),
    });
  });
});
