import { chmod, mkdir, readdir, rm, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { ensureDaprd } from '../../../scripts/lib/local/daprd.js';
import { temporaryFolder } from '../../support/temporary-folder.js';

const folder = temporaryFolder();
const bin = (): string => join(folder.path, 'bin');
const before = { ...process.env };

beforeEach(async () => {
  await rm(bin(), { recursive: true, force: true });
  await mkdir(bin());
  process.env['LAYERMESH_CACHE'] = join(folder.path, 'cache');
  process.env['PATH'] = `${bin()}:/usr/bin:/bin`;
});

afterEach(async () => {
  process.env = { ...before };
  await rm(join(folder.path, 'cache'), { recursive: true, force: true });
});

async function program(name: string, script: string): Promise<string> {
  await writeFile(join(bin(), name), `#!/bin/sh\n${script}\n`);
  await chmod(join(bin(), name), 0o755);
  return join(bin(), name);
}

const RESOLVER = '# github.com/dapr/components-contrib/nameresolution/sqlite';
/** Writes what `-o` names, as `go build` does. */
const BUILDS = 'while [ "$1" != -o ]; do shift; done; echo built > "$2"';

const find = (): Promise<string | null> => ensureDaprd({ folders: [bin()] });

describe('daprd', () => {
  it('is taken where one is installed that can serve', async () => {
    const path = await program('daprd', `${RESOLVER}\necho 1.18.3`);
    expect(await find()).toBe(path);
  });

  it.each([
    ['is too old', `${RESOLVER}\necho 1.17.9`],
    ['has no SQLite resolver', 'echo 1.18.3'],
    ['does not run', `${RESOLVER}\nexit 1`],
  ])('is built when the installed one %s', async (_, script) => {
    await program('daprd', script);
    await program('go', BUILDS);
    const built = (await find())!;
    expect(basename(built)).toMatch(/^daprd-1\.18\.0-[0-9a-f]{12}$/);
  });

  it('is built once, and takes the place of older ones', async () => {
    await program('go', BUILDS);
    const built = (await find())!;
    await writeFile(join(dirname(built), 'daprd-1.17.0-000000000000'), '');
    await rm(built);
    await find();
    await program('go', 'exit 1');
    expect(await find()).toBe(built);
    expect(await readdir(dirname(built))).toEqual([basename(built)]);
  });

  it('reports why a build failed, and leaves nothing that looks built', async () => {
    await program('go', 'echo "no space left on device" >&2; exit 1');
    await expect(find()).rejects.toMatchObject({
      code: 'sidecar_missing',
      message: 'building daprd failed: no space left on device',
    });
    await expect(find()).rejects.toMatchObject({ code: 'sidecar_missing' });
  });

  it('is nowhere without Go', async () => {
    process.env['PATH'] = bin();
    expect(await find()).toBeNull();
  });
});
