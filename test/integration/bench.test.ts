import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { runTool } from '../../scripts/bootstrap/tool.mjs';
import { repositoryRoot } from '../../scripts/lib/repository.js';
import { itRefuses, type Refusal } from '../support/refusals.js';
import { temporaryFolder } from '../support/temporary-folder.js';

const door = join(repositoryRoot, 'scripts', 'run.mjs');

interface Document {
  readonly run: { readonly versions: Record<string, string> };
  readonly usage: readonly { readonly processes: readonly { readonly name: string; rssBytes: number }[] }[];
  readonly rows: readonly { readonly error: string | null; readonly token_ms: readonly number[] }[];
}

const REFUSED: readonly Refusal[] = [
  ['not_running', ['--url', 'http://127.0.0.1:9']],
  ['invalid_config', ['--compare', 'openvino']],
  ['invalid_config', ['--compare', 'llama-server', '--peer-model', 'model.gguf']],
];

describe('npm run bench', () => {
  const folder = temporaryFolder();

  it('measures a system that it starts and stops', async () => {
    const path = join(folder.path, 'rows.json');
    const args = ['bench', '--smoke', '--arms', 'direct', '--stages', '2', '--json', path];
    const { code, output } = await runTool(process.execPath, [door, ...args], { cwd: repositoryRoot });
    expect(output).toContain('### Closed loop, 2 clients, prompt 16, output 8');
    expect(output).toMatch(/\| direct +\| stage-1\.1 +\| \d+ % +\| \d+ × /);
    expect(code).toBe(0);

    const document = JSON.parse(await readFile(path, 'utf8')) as Document;
    expect(Object.keys(document.run.versions)).toEqual(['direct']);
    expect(document.rows.map(({ error, token_ms }) => [error, token_ms.length])).toEqual(
      Array.from({ length: 12 }, () => [null, 8]),
    );
    const processes = document.usage[0]!.processes;
    expect(processes.map(({ name }) => name).sort()).toEqual(['gateway.1', 'stage-0.1', 'stage-1.1']);
    for (const { rssBytes } of processes) expect(rssBytes).toBeGreaterThan(50 << 20);
  }, 60_000);

  describe('fails in one line', () => {
    itRefuses('bench', REFUSED, {
      // No peer is on this path, nor in this cache.
      env: () => ({ ...process.env, PATH: '/usr/bin', LAYERMESH_CACHE: folder.path }),
      isAside: (line) => line.startsWith('round '),
    });
  });
});
