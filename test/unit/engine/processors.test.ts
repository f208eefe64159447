import { mkdir, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { dirname, join } from 'node:path';
import { processorsOwner } from '../../../services/lib/engine/processors.js';
import { temporaryFolder } from '../../support/temporary-folder.js';

const folder = temporaryFolder();
let count = 0;

async function tree(files: Record<string, string>): Promise<string> {
  const root = join(folder.path, String(count++));
  await mkdir(root);
  for (const [file, content] of Object.entries(files)) {
    await mkdir(dirname(join(root, file)), { recursive: true });
    await writeFile(join(root, file), `${content}\n`);
  }
  return root;
}

const procOf = (boot: string, cpus = '0-3') =>
  tree({ 'sys/kernel/random/boot_id': boot, 'self/status': `Name:\tnode\nCpus_allowed_list:\t${cpus}` });
const unlimited = { 'cpu.max': 'max 100000' };
const limited = { 'cpu.max': '100000 100000' };

describe('the owner of the processors', () => {
  it('is the machine, for all processes without a quota', async () => {
    const proc = await procOf('m1');
    const [one, other] = [await tree(unlimited), await tree({})];
    expect(processorsOwner(one, proc)).toBe('m1/cpus-0-3');
    expect(processorsOwner(other, proc)).toBe(processorsOwner(one, proc));
    expect(processorsOwner(one, await procOf('m2'))).not.toBe(processorsOwner(one, proc));
  });

  it('is the container that has a quota, for all processes in it', async () => {
    const proc = await procOf('m1');
    const one = await tree(limited);
    const other = await tree({ 'cpu/cpu.cfs_quota_us': '100000', 'cpu/cpu.cfs_period_us': '100000' });
    expect(processorsOwner(one, proc)).toMatch(/^m1\/cgroup-\d+$/);
    expect(processorsOwner(one, proc)).toBe(processorsOwner(one, proc));
    expect(processorsOwner(other, proc)).not.toBe(processorsOwner(one, proc));
  });

  it('is the part of the machine that a process is pinned to', async () => {
    const cgroup = await tree(unlimited);
    expect(processorsOwner(cgroup, await procOf('m1', '0'))).not.toBe(
      processorsOwner(cgroup, await procOf('m1', '1')),
    );
  });

  it('is the host where the kernel does not say more', async () => {
    expect(processorsOwner(await tree({}), await tree({}))).toBe(`${hostname()}/cpus-all`);
  });
});
