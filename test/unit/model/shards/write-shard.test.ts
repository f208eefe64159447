import { readdir, readFile, symlink } from 'node:fs/promises';
import path from 'node:path';
import { PAGE_BYTES } from '../../../../services/lib/model/shards/format.js';
import { verifyShard } from '../../../../services/lib/model/shards/open-shards.js';
import { type TensorSource, writeShard } from '../../../../services/lib/model/shards/write-shard.js';
import { temporaryFolder } from '../../../support/temporary-folder.js';
import { thrownBy } from '../../../support/thrown-by.js';

const folder = temporaryFolder();

const tensor = (name: string, ...chunks: Float32Array[]): TensorSource => {
  const length = chunks.reduce((sum, chunk) => sum + chunk.length, 0);
  return { name, dtype: 'f32', shape: [length], chunks };
};

test('tensors lie on page boundaries, as the record says', async () => {
  const tensors = [
    tensor('a', Float32Array.of(1, 2), Float32Array.of(3)),
    tensor('b', new Float32Array(2000).fill(4)),
  ];
  const record = await writeShard(folder.path, 'whole.bin', tensors);
  const bytes = await readFile(path.join(folder.path, 'whole.bin'));
  expect(record.size).toBe(bytes.length);
  const { a, b } = record.tensors;
  expect([a!.offset, a!.length, b!.offset, b!.length]).toEqual([0, 12, PAGE_BYTES, 8000]);
  expect(bytes.readFloatLE(8)).toBe(3);
  expect(bytes.readFloatLE(b!.offset)).toBe(4);
  await verifyShard(folder.path, record);
});

test('a full disk is reported, and nothing stays behind', async () => {
  await symlink('/dev/full', path.join(folder.path, 'full.bin.partial'));
  const error = await thrownBy(() => writeShard(folder.path, 'full.bin', [tensor('a', new Float32Array(9))]));
  expect(error.code).toBe('disk_full');
  expect((await readdir(folder.path)).filter((name) => name.startsWith('full'))).toEqual([]);
});

test('what an interruption cuts short leaves nothing behind', async () => {
  const controller = new AbortController();
  function* chunks(): Generator<Float32Array> {
    yield Float32Array.of(1);
    controller.abort();
    yield Float32Array.of(2);
  }
  const tensors: TensorSource[] = [{ name: 'a', dtype: 'f32', shape: [2], chunks: chunks() }];
  await expect(writeShard(folder.path, 'cut.bin', tensors, controller.signal)).rejects.toThrow(/aborted/);
  expect((await readdir(folder.path)).filter((name) => name.startsWith('cut'))).toEqual([]);
});
