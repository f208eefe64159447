import { jest } from '@jest/globals';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { KeptProcess, type ProcessSpec } from '../../../scripts/lib/local/processes/kept-process.js';
import { commandOf, isStillRunning } from '../../../scripts/lib/local/run/run-state.js';
import { eventually } from '../../support/eventually.js';
import { temporaryFolder } from '../../support/temporary-folder.js';

const folder = temporaryFolder();

const nodeProcess = (name: string, script: string): ProcessSpec => ({
  name,
  command: [process.execPath, '-e', script],
  directory: folder.path,
  env: process.env,
  logPath: join(folder.path, `${name}.log`),
});

const FOREVER = 'setInterval(() => {}, 1000)';

describe('a kept process', () => {
  it('is started again when it dies unasked', async () => {
    const events: string[] = [];
    const onEvent = (event: string): void => void events.push(event);
    const kept = new KeptProcess(nodeProcess('worker', FOREVER), { mayRestart: () => true, onEvent });
    const first = kept.pid;
    process.kill(first, 'SIGKILL');
    await eventually('a second process', () => kept.pid !== first);
    expect(events[0]).toContain('worker ended with signal SIGKILL');
    expect(commandOf(kept.pid)).toContain('setInterval');
    await kept.stop(5_000);
    expect(commandOf(kept.pid)).toBeNull();
  });

  it('is lost, with its last lines, when it may not be started again', async () => {
    const events: string[] = [];
    const onEvent = (event: string): void => void events.push(event);
    const spec = nodeProcess('broken', 'console.error("no such model"); process.exit(3)');
    const kept = new KeptProcess(spec, { mayRestart: () => false, onEvent });
    await expect(kept.lost).resolves.toMatchObject({
      code: 'process_failed',
      message: 'broken ended with exit code 3',
    });
    expect(events).toEqual(['broken ended with exit code 3; its last lines:\n  no such model']);
  });

  it('is started again also where whoever is told of it fails', async () => {
    const told = jest.spyOn(console, 'error').mockImplementation(() => undefined);
    const onEvent = (): void => {
      throw new Error('no space left on device');
    };
    const kept = new KeptProcess(nodeProcess('untold', FOREVER), { mayRestart: () => true, onEvent });
    const first = kept.pid;
    process.kill(first, 'SIGKILL');
    await eventually('a second process', () => kept.pid !== first);
    await kept.stop(5_000);
    expect(told).toHaveBeenCalledWith(expect.stringContaining('no space left on device'));
    told.mockRestore();
  });

  it('is started again however often it dies far apart, at once', async () => {
    const pauses: string[] = [];
    const onEvent = (event: string): void => {
      if (event.includes(' in ')) pauses.push(event);
    };
    const timing = { firstMs: 1, mostMs: 60_000, stableMs: 0 };
    const spec = nodeProcess('unlucky', FOREVER);
    const kept = new KeptProcess(spec, { mayRestart: () => true, onEvent }, timing);
    for (let death = 0; death < 10; death++) {
      const { pid } = kept;
      process.kill(pid, 'SIGKILL');
      await eventually('another process', () => kept.pid !== pid && kept.running);
    }
    expect(pauses).toEqual([]);
    await kept.stop(5_000);
  }, 30_000);

  it('that dies at once is started again ever later, up to a bound, and goes on when what it lacked has come', async () => {
    const starts: number[] = [];
    const onEvent = (event: string): void => {
      if (event.endsWith('started again')) starts.push(performance.now());
    };
    const missing = join(folder.path, 'missing');
    const script = `require('fs').readFileSync(${JSON.stringify(missing)}); console.log('up'); ${FOREVER}`;
    const timing = { firstMs: 20, mostMs: 640, stableMs: 60_000 };
    const kept = new KeptProcess(nodeProcess('lacking', script), { mayRestart: () => true, onEvent }, timing);
    await eventually('eight starts', () => starts.length === 8, 30_000);
    const gaps = starts.slice(1).map((at, index) => at - starts[index]!);
    expect(gaps.at(-1)).toBeGreaterThan(640);
    expect(gaps.at(-1)).toBeGreaterThan(gaps[0]!);

    await writeFile(missing, '');
    await eventually('a start at last', async () => {
      kept.retry();
      return (await kept.lastLines()).at(-1) === 'up';
    });
    await kept.stop(5_000);
    expect(commandOf(kept.pid)).toBeNull();
  }, 60_000);

  it('is not started again when it is stopped while it waits', async () => {
    const events: string[] = [];
    const onEvent = (event: string): void => void events.push(event);
    const timing = { firstMs: 60_000, mostMs: 60_000, stableMs: 0 };
    const kept = new KeptProcess(nodeProcess('brief', ''), { mayRestart: () => true, onEvent }, timing);
    await eventually('its pause', () => events.some((event) => event.includes('again in 60 s')));
    await kept.stop(5_000);
    expect(events.some((event) => event.endsWith('started again'))).toBe(false);
  });

  it('is not waited for where it is stopped in the moment of its death', async () => {
    const events: string[] = [];
    const onEvent = (event: string): void => void events.push(event);
    const timing = { firstMs: 60_000, mostMs: 60_000, stableMs: 0 };
    let stopped = false;
    const mayRestart = (): boolean => {
      void kept.stop(5_000);
      stopped = true;
      return true;
    };
    const kept = new KeptProcess(nodeProcess('dying', ''), { mayRestart, onEvent }, timing);
    await eventually('its death', () => stopped);
    await new Promise((resolve) => setImmediate(resolve));
    expect(events.map((event) => event.split('\n')[0])).toEqual([
      'dying ended with exit code 0; its last lines:',
    ]);
  });

  it('is killed when it does not stop in time', async () => {
    const spec = nodeProcess('stubborn', `process.on('SIGTERM', () => {}); console.log('up'); ${FOREVER}`);
    const kept = new KeptProcess(spec, { mayRestart: () => true, onEvent: () => undefined });
    await eventually('its handler', async () => (await kept.lastLines()).includes('up'));
    await kept.stop(50);
    expect(commandOf(kept.pid)).toBeNull();
  });

  it('that cannot be run says so', () => {
    const spec = { ...nodeProcess('absent', ''), command: ['/no/such/program'] };
    expect(() => new KeptProcess(spec, { mayRestart: () => true, onEvent: () => undefined })).toThrow(
      'absent: cannot run /no/such/program',
    );
  });
});

describe('a recorded process', () => {
  it('is not taken for another one with its pid', () => {
    const command = commandOf(process.pid)!;
    const record = { name: 'self', pid: process.pid, kind: 'stage', command } as const;
    expect(isStillRunning(record)).toBe(true);
    expect(isStillRunning({ ...record, command: 'daprd --app-id=stage-0' })).toBe(false);
  });
});
