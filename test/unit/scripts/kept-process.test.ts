import { join } from 'node:path';
import { KeptProcess } from '../../../scripts/lib/kept-process.js';
import type { ProcessSpec } from '../../../scripts/lib/managed-process.js';
import { commandOf, isStillRunning } from '../../../scripts/lib/run-state.js';
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

  it('is killed when it does not stop in time', async () => {
    const spec = nodeProcess('stubborn', `process.on('SIGTERM', () => {}); console.log('up'); ${FOREVER}`);
    const kept = new KeptProcess(spec, { mayRestart: () => true, onEvent: () => undefined });
    await eventually('its handler', async () => (await kept.lastLines()).includes('up'));
    await kept.stop(50);
    expect(commandOf(kept.pid)).toBeNull();
  });

  it('that can not be run says so', () => {
    const spec = { ...nodeProcess('absent', ''), command: ['/no/such/program'] };
    expect(() => new KeptProcess(spec, { mayRestart: () => true, onEvent: () => undefined })).toThrow(
      'absent: can not run /no/such/program',
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
