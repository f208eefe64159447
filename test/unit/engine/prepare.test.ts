import { readdir, readFile, stat, symlink, truncate, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { createOnnxEngine } from '../../../services/lib/engine/onnx-engine.js';
import { prepareCheckpoint } from '../../../services/lib/engine/prepare/prepare-model.js';
import { openShards, readModelFile, verifyShard } from '../../../services/lib/model/shards/open-shards.js';
import type { Checkpoint } from '../../../services/lib/model/types.js';
import { randomCheckpoint, smallConfig } from '../../support/model/random-checkpoint.js';
import { temporaryFolder } from '../../support/temporary-folder.js';
import { thrownBy } from '../../support/thrown-by.js';

const folder = temporaryFolder();
const precision = 'int8';
let models = 0;

/** A model that no other test has prepared. */
const freshCheckpoint = (): Checkpoint => ({ ...randomCheckpoint(), digest: `model-${++models}` });

const prepare = (checkpoint: Checkpoint, signal?: AbortSignal, onProgress?: () => void) =>
  prepareCheckpoint(checkpoint, {
    precision,
    cache: folder.path,
    ...(signal && { signal }),
    ...(onProgress && { onProgress }),
  });

/** The time of last change of each file of the precision's folder. */
async function changes(directory: string): Promise<Map<string, number>> {
  const names = await readdir(path.join(directory, precision));
  const stats = await Promise.all(names.map((name) => stat(path.join(directory, precision, name))));
  return new Map(names.map((name, index) => [name, stats[index]!.mtimeMs]));
}

test('writes what the gateway and the stages need', async () => {
  const checkpoint = freshCheckpoint();
  const { directory } = await prepare(checkpoint);
  const model = await readModelFile(directory);
  expect(model.config).toEqual(smallConfig);
  expect([model.bosId, model.eosIds]).toEqual([1, [2]]);
  expect(JSON.parse(await readFile(path.join(directory, 'tokenizer.json'), 'utf8'))).toEqual({});
  const shards = await openShards(directory, precision);
  expect(await readdir(shards.directory)).toHaveLength(smallConfig.layers + 3);
  await verifyShard(shards.directory, shards.file('layer-003.bin'));
});

test('writes the sampling defaults of the checkpoint, or those in their place; an older folder has none', async () => {
  const checkpoint = { ...freshCheckpoint(), sampling: { temperature: 0.6 } };
  const { directory } = await prepare(checkpoint);
  expect((await readModelFile(directory)).sampling).toEqual({ temperature: 0.6 });
  const options = { precision, cache: folder.path, sampling: { top_p: 0.9 } } as const;
  await prepareCheckpoint(checkpoint, options);
  expect((await readModelFile(directory)).sampling).toEqual({ top_p: 0.9 });

  const file = path.join(directory, 'model.json');
  const { sampling, ...older } = JSON.parse(await readFile(file, 'utf8')) as { sampling: object };
  await writeFile(file, JSON.stringify(older));
  expect((await readModelFile(directory)).sampling).toEqual({});
  await writeFile(file, JSON.stringify({ ...older, sampling: { ...sampling, top_p: 2 } }));
  expect(await thrownBy(() => readModelFile(directory))).toMatchObject({
    code: 'shards_invalid',
    message: expect.stringContaining('sampling.top_p') as string,
  });
});

test('a second time changes nothing', async () => {
  const checkpoint = freshCheckpoint();
  const { directory } = await prepare(checkpoint);
  const before = await changes(directory);
  await prepare(checkpoint);
  expect(await changes(directory)).toEqual(before);
});

test('a second time writes what more is read out of the same checkpoint', async () => {
  const checkpoint = freshCheckpoint();
  const { directory } = await prepare(checkpoint);
  await prepare({ ...checkpoint, text: { ...checkpoint.text, eosIds: [2, 7] } });
  expect((await readModelFile(directory)).eosIds).toEqual([2, 7]);
});

test('goes on after an interruption, and writes again what was damaged meanwhile', async () => {
  const checkpoint = freshCheckpoint();
  const controller = new AbortController();
  let files = 0;
  const interrupted = prepare(checkpoint, controller.signal, () => {
    if (++files === 3) controller.abort();
  });
  await expect(interrupted).rejects.toThrow(/aborted/);
  const directory = path.join(folder.path, 'shards', checkpoint.digest);
  expect((await thrownBy(() => openShards(directory, precision))).code).toBe('shards_invalid');
  const before = await changes(directory);
  await writeFile(path.join(directory, precision, 'layer-000.bin'), 'damaged');

  await prepare(checkpoint);
  const after = await changes(directory);
  expect(after.get('embed.bin')).toBe(before.get('embed.bin'));
  expect(after.get('layer-001.bin')).toBe(before.get('layer-001.bin'));
  const shards = await openShards(directory, precision);
  await verifyShard(shards.directory, shards.file('layer-000.bin'));
});

test('a full disk is reported; what was written before is kept for the next attempt', async () => {
  const checkpoint = freshCheckpoint();
  const directory = path.join(folder.path, 'shards', checkpoint.digest);
  const controller = new AbortController();
  await expect(prepare(checkpoint, controller.signal, () => controller.abort())).rejects.toThrow(/aborted/);
  await symlink('/dev/full', path.join(directory, precision, 'layer-000.bin.partial'));
  expect((await thrownBy(() => prepare(checkpoint))).code).toBe('disk_full');
  expect((await readdir(path.join(directory, precision))).toSorted()).toEqual([
    'embed.bin',
    'manifest.json.growing',
  ]);
  await prepare(checkpoint);
  await openShards(directory, precision);
});

describe('shards that are not whole', () => {
  const damages: [string, (directory: string) => Promise<void>][] = [
    ['a truncated file', (directory) => truncate(path.join(directory, precision, 'layer-002.bin'), 100)],
    ['a manifest of another version', (directory) => edit(directory, 'manifest.json', { version: 99 })],
    ['a manifest of another model', (directory) => edit(directory, 'manifest.json', { digest: 'other' })],
    ['a manifest without files', (directory) => edit(directory, 'manifest.json', { files: [] })],
    [
      'a manifest that is not JSON',
      (directory) => writeFile(path.join(directory, precision, 'manifest.json'), '{'),
    ],
  ];

  async function edit(directory: string, name: string, change: Record<string, unknown>): Promise<void> {
    const file = path.join(directory, precision, name);
    const content = JSON.parse(await readFile(file, 'utf8')) as Record<string, unknown>;
    await writeFile(file, JSON.stringify({ ...content, ...change }));
  }

  test.each(damages)('%s: refused, and prepared again', async (_name, damage) => {
    const checkpoint = freshCheckpoint();
    const { directory } = await prepare(checkpoint);
    await damage(directory);
    const range = { start: 0, end: smallConfig.layers };
    const open = () => createOnnxEngine({ shards: directory, range, precision, threads: 1, kvTokens: 10 });
    const error = await thrownBy(open);
    expect(error.code).toBe('shards_invalid');
    expect(error.toLine()).not.toContain('\n');
    await prepare(checkpoint);
    await (await open()).dispose();
  });

  test('bytes that have changed are found by their digest', async () => {
    const { directory } = await prepare(freshCheckpoint());
    const shards = await openShards(directory, precision);
    const file = path.join(shards.directory, 'head.bin');
    const bytes = await readFile(file);
    bytes[bytes.length - 1]! ^= 1;
    await writeFile(file, bytes);
    expect((await thrownBy(() => verifyShard(shards.directory, shards.file('head.bin')))).code).toBe(
      'shards_invalid',
    );
  });

  test('a stage needs no other stage’s files', async () => {
    const { directory } = await prepare(freshCheckpoint());
    await truncate(path.join(directory, precision, 'layer-004.bin'), 0);
    const range = { start: 1, end: 4 };
    await (
      await createOnnxEngine({ shards: directory, range, precision, threads: 1, kvTokens: 10 })
    ).dispose();
  });
});
