import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Contention, waitedForProcessor } from '../../../services/stage/contention.js';
import { temporaryFolder } from '../../support/temporary-folder.js';

describe('contention', () => {
  it('is seen when threads wait for a processor for much of the time', () => {
    const contention = new Contention();
    expect(contention.isDue(10)).toBe(true);
    expect(contention.observe(3, 10)).toBe(false);
    expect([contention.isDue(10.4), contention.isDue(10.5)]).toEqual([false, true]);
    expect(contention.observe(3.05, 10.5)).toBe(false);
    expect(contention.observe(3.35, 11)).toBe(true);
    expect(contention.observe(3.35, 11.5)).toBe(false);
  });

  it('is not guessed from what happened long ago', () => {
    const contention = new Contention();
    contention.observe(0, 0);
    expect(contention.observe(50, 60)).toBe(false);
    expect(contention.observe(50.4, 60.5)).toBe(true);
  });
});

describe('what threads have waited', () => {
  const folder = temporaryFolder();
  const thread = async (id: number, schedstat: string | null): Promise<void> => {
    await mkdir(join(folder.path, 'task', String(id)), { recursive: true });
    if (schedstat !== null) await writeFile(join(folder.path, 'task', String(id), 'schedstat'), schedstat);
  };

  it('is the sum of all but one, and of those that are still there', async () => {
    await thread(7, '1 1500000000 3\n');
    await thread(8, '1 250000000 3\n');
    await thread(9, '1 9000000000 3\n');
    await thread(10, null);
    expect(waitedForProcessor(9, folder.path)).toBe(1.75);
  });
});
