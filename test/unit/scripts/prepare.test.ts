import { jest } from '@jest/globals';
import { existsSync } from 'node:fs';
import { readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { withLock } from '../../../scripts/bootstrap/lock.mjs';
import { prepare } from '../../../scripts/lib/model/prepare.js';
import { openCheckpoint } from '../../../services/lib/model/open-checkpoint.js';
import { writeGguf } from '../../support/model/gguf-writer.js';
import { temporaryFolder } from '../../support/temporary-folder.js';
import { tinyGguf, tinyMetadata, writeTinyFolder } from '../../support/model/tiny-model.js';

const folder = temporaryFolder();
const outer = process.env['LAYERMESH_CACHE'];
beforeEach(() => {
  process.env['LAYERMESH_CACHE'] = folder.path;
  jest.spyOn(process.stderr, 'write').mockReturnValue(true);
});
afterEach(() => {
  jest.restoreAllMocks();
  if (outer === undefined) delete process.env['LAYERMESH_CACHE'];
  else process.env['LAYERMESH_CACHE'] = outer;
});

async function tinyModel(name: string): Promise<{ path: string; lock: string }> {
  const path = join(folder.path, `${name}.gguf`);
  await writeFile(path, writeGguf({ ...tinyGguf(), metadata: { ...tinyMetadata, 'general.name': name } }));
  const checkpoint = await openCheckpoint(path);
  await checkpoint.close();
  return { path, lock: join(folder.path, 'locks', `prepare-${checkpoint.digest}`) };
}

it('waits while another prepares the same model, and for no other', async () => {
  const [mine, others] = [await tinyModel('mine'), await tinyModel('others')];
  const impatient = (): AbortSignal => AbortSignal.timeout(3_000);
  await withLock(others.lock, async () => {
    const { directory } = await prepare(mine.path, 'f32', impatient());
    expect(existsSync(join(directory, 'f32'))).toBe(true);
    await expect(prepare(others.path, 'f32', AbortSignal.timeout(500))).rejects.toMatchObject({
      name: 'AbortError',
    });
  });
  await prepare(others.path, 'f32', impatient());
});

it('leaves alone what services of another model use', async () => {
  const before = await prepare((await tinyModel('first')).path, 'f32', AbortSignal.timeout(10_000));
  const after = await prepare((await tinyModel('second')).path, 'f32', AbortSignal.timeout(10_000));
  const names = (await readdir(join(folder.path, 'shards'), { withFileTypes: true })).filter((entry) =>
    entry.isSymbolicLink(),
  );
  expect(names).toEqual([]);
  expect(after.directory).not.toBe(before.directory);
});

it('tells what the checkpoint says wrongly', async () => {
  const path = join(folder.path, 'odd.gguf');
  const metadata = { ...tinyMetadata, 'tokenizer.ggml.eos_token_id': 4_294_967_295 };
  await writeFile(path, writeGguf({ ...tinyGguf(), metadata }));
  const told = jest.spyOn(console, 'error').mockReturnValue();
  await prepare(path, 'f32', AbortSignal.timeout(30_000));
  expect(told.mock.calls).toEqual([
    [expect.stringMatching(/^warning\[checkpoint_invalid\]: tokenizer.ggml.eos_token_id is 4294967295/)],
  ]);
});

it('refuses a tokenizer that the gateway could not load, before it prepares anything', async () => {
  const before = await readdir(join(folder.path, 'shards')).catch(() => []);
  const tokenizer = { model: { type: 'Unigram', vocab: [] }, added_tokens: [] };
  const path = await writeTinyFolder(join(folder.path, 'unigram'), { 'tokenizer.json': tokenizer });
  await expect(prepare(path, 'f32', AbortSignal.timeout(5_000))).rejects.toMatchObject({
    code: 'unsupported_tokenizer',
  });
  expect(await readdir(join(folder.path, 'shards')).catch(() => [])).toEqual(before);
});
