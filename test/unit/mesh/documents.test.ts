import { mkdtemp, readdir, rm, utimes } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DirectMesh } from '../../../services/lib/mesh/direct-mesh.js';

describe('the documents of a direct mesh', () => {
  let directory: string;
  beforeEach(async () => void (directory = await mkdtemp(join(tmpdir(), 'documents-'))));
  afterEach(() => rm(directory, { recursive: true }));

  it('are shared, deleted, and forgotten when their time has passed', async () => {
    const [one, other] = [0, 1].map(() => new DirectMesh({ registryDirectory: directory }).documents(60));
    expect(await one!.write('a', { b: 1 }, null)).toBe(true);
    expect(await other!.write('a', { b: 2 }, null)).toBe(false);
    expect(await other!.read('a')).toMatchObject({ value: { b: 1 } });
    await other!.delete('a');
    await other!.delete('a');
    expect(await one!.read('a')).toBeNull();

    await one!.write('old', 1, null);
    const folder = join(directory, 'documents');
    const [file] = await readdir(folder);
    const then = Date.now() / 1000 - 61;
    await utimes(join(folder, file!), then, then);
    await one!.write('new', 1, null);
    expect(await other!.read('old')).toBeNull();
    expect(await other!.read('new')).toMatchObject({ value: 1 });
  });
});
