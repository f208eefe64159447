import { mkdir, writeFile } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import path from 'node:path';
import { aloneThreads, availableThreads, engineThreads } from '../../../services/lib/engine/processors.js';
import { temporaryFolder } from '../../support/temporary-folder.js';

const folder = temporaryFolder();

async function cgroup(name: string, files: Record<string, string>): Promise<string> {
  const root = path.join(folder.path, name);
  for (const [file, content] of Object.entries(files)) {
    await mkdir(path.dirname(path.join(root, file)), { recursive: true });
    await writeFile(path.join(root, file), `${content}\n`);
  }
  return root;
}

const v1 = (quota: string) => ({ 'cpu/cpu.cfs_quota_us': quota, 'cpu/cpu.cfs_period_us': '100000' });

test.each<[string, Record<string, string>, number]>([
  ['one processor by version 2', { 'cpu.max': '100000 100000' }, 1],
  ['less than one by version 2', { 'cpu.max': '50000 100000' }, 1],
  ['no limit by version 2', { 'cpu.max': 'max 100000' }, availableParallelism()],
  ['one processor by version 1', v1('100000'), 1],
  ['no limit by version 1', v1('-1'), availableParallelism()],
  ['more than there are', { 'cpu.max': '100000000 100000' }, availableParallelism()],
  ['no cgroup', {}, availableParallelism()],
])('%s', async (name, files, threads) => {
  expect(availableThreads(await cgroup(name, files))).toBe(threads);
});

describe('threads of a stage', () => {
  const all = availableParallelism();
  const demand = { stages: all, layerWeights: 3.5e6 };

  it('are its part of a machine that stages share, where layers are small', async () => {
    const root = await cgroup('shared', {});
    expect(engineThreads(demand, root)).toBe(1);
    expect(engineThreads({ ...demand, stages: 1 }, root)).toBe(all);
    expect(engineThreads({ ...demand, stages: 10 * all }, root)).toBe(1);
  });

  it('are all of them where layers are large', async () => {
    expect(engineThreads({ ...demand, layerWeights: 44e6 }, await cgroup('large', {}))).toBe(all);
  });

  it('are those of its own container', async () => {
    const root = await cgroup('quota', { 'cpu.max': `${all * 100_000} 100000` });
    expect(engineThreads(demand, root)).toBe(all);
  });

  it('are more while nothing else is computed, but no more than it may use', async () => {
    const root = await cgroup('alone', {});
    expect(aloneThreads(1, root)).toBe(Math.min(4, all));
    expect(aloneThreads(8 * all, root)).toBe(8 * all);
    expect(aloneThreads(1, await cgroup('alone in a container', { 'cpu.max': '100000 100000' }))).toBe(1);
  });
});
