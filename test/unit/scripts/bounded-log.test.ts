import { appendFile, mkdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { boundLog, cutLog, olderLog } from '../../../scripts/lib/local/processes/bounded-log.js';
import { KeptProcess } from '../../../scripts/lib/local/processes/kept-process.js';
import { eventually } from '../../support/eventually.js';
import { temporaryFolder } from '../../support/temporary-folder.js';

const folder = temporaryFolder();

describe('a log with bounds', () => {
  it('keeps its last lines in one older file when it has grown too long, and begins anew', async () => {
    const path = join(folder.path, 'cut.log');
    await writeFile(path, 'first\n');
    await cutLog(path, 6);
    expect(await readFile(path, 'utf8')).toBe('first\n');
    await appendFile(path, 'second\n');
    await cutLog(path, 7);
    expect(await readFile(path, 'utf8')).toBe('');
    expect(await readFile(olderLog(path), 'utf8')).toBe('second\n');
    await appendFile(path, 'third\n');
    await cutLog(path, 5);
    expect(await readFile(olderLog(path), 'utf8')).toBe('hird\n');
  });

  it('begins anew also where nothing can be kept', async () => {
    const path = join(folder.path, 'full.log');
    await mkdir(join(olderLog(path), 'in the way'), { recursive: true });
    await writeFile(path, 'long\n');
    await cutLog(path, 1);
    expect((await stat(path)).size).toBe(0);
  });

  it('is looked at until it need not be, and may not be there', async () => {
    const path = join(folder.path, 'later.log');
    const end = boundLog(path, { limit: 3, lookMs: 5 });
    await writeFile(path, 'long\n');
    await eventually('a cut', async () => (await stat(path)).size === 0);
    end();
  });

  it('is written on by a process that does not know of it', async () => {
    const logPath = join(folder.path, 'talker.log');
    const spec = {
      name: 'talker',
      command: [process.execPath, '-e', "setInterval(() => console.log('x'.repeat(1000)), 1)"],
      directory: folder.path,
      env: process.env,
      logPath,
      logBounds: { limit: 20_000, lookMs: 5 },
    };
    const kept = new KeptProcess(spec, { mayRestart: () => false, onEvent: () => undefined });
    await eventually('an older log', () => stat(olderLog(logPath)).catch(() => null));
    // Appended: where the process remembered its place there would be a hole before it.
    await eventually('more lines', async () => (await stat(logPath)).size > 1_000);
    expect((await readFile(logPath)).includes(0)).toBe(false);
    await kept.stop(5_000);
    expect((await stat(olderLog(logPath))).size).toBeLessThanOrEqual(40_001);
  });
});
