import { chmod, mkdir, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { daprdStep, findDaprd } from '../../../scripts/bootstrap/daprd.mjs';
import { ensureDaprd } from '../../../scripts/lib/local/daprd.js';
import { temporaryFolder } from '../../support/temporary-folder.js';

const folder = temporaryFolder();
const bin = (): string => join(folder.path, 'bin');
/** Of the repository, or of what takes its place here. */
const module = (): string => join(folder.path, 'scripts', 'dapr');
const before = { ...process.env };

beforeEach(async () => {
  await rm(bin(), { recursive: true, force: true });
  await mkdir(bin());
  await mkdir(module(), { recursive: true });
  for (const name of ['go.mod', 'go.sum', 'main.go']) await writeFile(join(module(), name), name);
  await writeFile(join(folder.path, 'app.go'), DAPR_APP);
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
const DAPR_APP = `import (
	// Register all components
	_ "github.com/dapr/dapr/cmd/daprd/components"

	"github.com/dapr/dapr/cmd/daprd/options"
)
`;
/** Says where a package is; writes what `-o` names, as `go build` does. */
const go = (build = 'all="$*"; while [ "$1" != -o ]; do shift; done; echo "$all" > "$2"'): Promise<string> =>
  program('go', `case $1 in list) echo ${folder.path};; build) ${build};; esac`);

const find = (): Promise<string | null> => findDaprd(folder.path, { folders: [bin()] });

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
    await go();
    const built = (await find())!;
    expect(basename(built)).toMatch(/^daprd-1\.18\.0-[0-9a-f]{12}$/);
  });

  it('is built once, and takes the place of older ones', async () => {
    await go();
    const built = (await find())!;
    await writeFile(join(dirname(built), 'daprd-1.17.0-000000000000'), '');
    await rm(built);
    await find();
    await go('exit 1');
    expect(await find()).toBe(built);
    expect(await readdir(dirname(built))).toEqual([basename(built)]);
  });

  it('is built of our own components, in an app of Dapr that brings none', async () => {
    await go();
    expect(await readFile((await find())!, 'utf8')).toMatch(/-X \S+buildinfo\.version=1\.18\.0 .* \.\n$/);
    expect(await readFile(join(module(), 'app', 'app.go'), 'utf8')).toBe(
      DAPR_APP.replace('\t_ "github.com/dapr/dapr/cmd/daprd/components"\n', ''),
    );
  });

  it('is built anew for other components, and of all where they are asked for', async () => {
    await go();
    const built = new Set([await find()]);
    await writeFile(join(module(), 'main.go'), 'another component');
    built.add(await find());
    process.env['LAYERMESH_DAPRD_COMPONENTS'] = 'all';
    const all = await find();
    expect(built.add(all).size).toBe(3);
    expect(await readFile(all!, 'utf8')).toMatch(
      /-tags=allcomponents .* github\.com\/dapr\/dapr\/cmd\/daprd\n$/,
    );

    process.env['LAYERMESH_DAPRD_COMPONENTS'] = 'some';
    await expect(ensureDaprd({ folders: [] })).rejects.toMatchObject({
      name: 'ServingError',
      code: 'invalid_config',
    });
  });

  it('is looked for once by all who ask in a process', async () => {
    await program('daprd', `${RESOLVER}\necho 1.18.3; echo asked >> ${join(folder.path, 'asked')}`);
    await go('exit 1');
    const found = await Promise.all([daprdStep(folder.path), daprdStep(folder.path)]);
    expect(found).toEqual([join(bin(), 'daprd'), join(bin(), 'daprd')]);
    expect(await readFile(join(folder.path, 'asked'), 'utf8')).toBe('asked\n');
  });

  it('reports why a build failed, and leaves nothing that looks built', async () => {
    await go('echo "no space left on device" >&2; exit 1');
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
