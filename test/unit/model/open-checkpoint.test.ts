import { createHash } from 'node:crypto';
import { readFile, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { openCheckpoint } from '../../../services/lib/model/open-checkpoint.js';
import { writeGguf } from '../../support/model/gguf-writer.js';
import { temporaryFolder } from '../../support/temporary-folder.js';
import { tinyGguf, tinyTokenizer, writeTinyFolder } from '../../support/model/tiny-model.js';

const folder = temporaryFolder();

async function digestOf(path: string, cache: string): Promise<string> {
  const checkpoint = await openCheckpoint(path, undefined, cache);
  await checkpoint.close();
  return checkpoint.digest;
}

describe('openCheckpoint', () => {
  it('says when there is nothing at the path', async () => {
    await expect(openCheckpoint(join(folder.path, 'nothing'))).rejects.toMatchObject({
      code: 'model_path_missing',
    });
  });

  it('does not read what is neither a file nor a folder', async () => {
    await expect(openCheckpoint('/dev/null')).rejects.toMatchObject({ code: 'not_a_checkpoint' });
  });

  it('has no tensor of a layer that is not there', async () => {
    const path = join(folder.path, 'layers.gguf');
    await writeFile(path, writeGguf(tinyGguf()));
    const checkpoint = await openCheckpoint(path, undefined, folder.path);
    expect(() => checkpoint.shape('layers.2.q')).toThrow('the model has no tensor "layers.2.q"');
    await checkpoint.close();
  });
});

describe('the digest', () => {
  it('of a file is the sha256 of its content', async () => {
    const bytes = writeGguf(tinyGguf());
    const path = join(folder.path, 'digest.gguf');
    await writeFile(path, bytes);
    expect(await digestOf(path, folder.path)).toBe(createHash('sha256').update(bytes).digest('hex'));
  });

  it('of a folder is the same wherever it lies, and another after any change', async () => {
    const first = await digestOf(await writeTinyFolder(join(folder.path, 'first')), folder.path);
    const second = await writeTinyFolder(join(folder.path, 'second'));
    expect(await digestOf(second, folder.path)).toBe(first);
    await writeFile(join(second, 'tokenizer.json'), JSON.stringify({ ...tinyTokenizer, version: '1.0' }));
    expect(await digestOf(second, folder.path)).not.toBe(first);
  });

  it('is remembered until size or time of the file changes', async () => {
    const cache = join(folder.path, 'cache');
    const path = join(folder.path, 'remembered.gguf');
    await writeFile(path, writeGguf(tinyGguf()));
    const digest = await digestOf(path, cache);

    // A byte of the last tensor changes behind the memory's back, so only a new hash would see it.
    const { atime, mtime } = await stat(path);
    const bytes = await readFile(path);
    bytes[bytes.length - 40]! ^= 1;
    await writeFile(path, bytes);
    await utimes(path, atime, mtime);
    await writeRemembered(cache, await stat(path).then(({ mtimeMs }) => mtimeMs));
    expect(await digestOf(path, cache)).toBe(digest);

    await utimes(path, atime, new Date(mtime.getTime() + 5000));
    expect(await digestOf(path, cache)).not.toBe(digest);
  });

  it.each(['', '{"x":1}', '[]'])('is computed again where the memory holds %j', async (content) => {
    const cache = join(folder.path, 'broken');
    const path = await writeTinyFolder(join(folder.path, 'broken', 'model'));
    const digest = await digestOf(path, cache);
    await writeFile(join(cache, 'digests.json'), content);
    expect(await digestOf(path, cache)).toBe(digest);
  });

  it('needs no memory', async () => {
    const path = join(folder.path, 'forgotten.gguf');
    await writeFile(path, writeGguf(tinyGguf()));
    expect(await digestOf(path, join(path, 'not-a-folder'))).toHaveLength(64);
    await rm(path);
  });
});

/** Sub-millisecond times do not survive `utimes`: put the file's new time into the memory's stamp. */
async function writeRemembered(cache: string, mtimeMs: number): Promise<void> {
  const memory = join(cache, 'digests.json');
  const text = await readFile(memory, 'utf8');
  await writeFile(memory, text.replace(/(remembered\.gguf:\d+:)[\d.]+/, `$1${mtimeMs}`));
}
