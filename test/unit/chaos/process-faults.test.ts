import { spawn, type ChildProcess } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { disturbProcess } from '../../../scripts/lib/chaos/process-faults.js';
import type { LocalSystem } from '../../../scripts/lib/local/local-system.js';
import { eventually } from '../../support/eventually.js';

const never = new AbortController().signal;

/** A process that only waits, as the one member of a system; `restart` stands for what starts it again. */
class OneMember {
  child: ChildProcess = spawn(process.execPath, ['-e', 'setInterval(() => undefined, 1000)']);
  readonly system: LocalSystem;

  constructor(restart: (member: OneMember) => void) {
    this.child.once('exit', () => restart(this));
    const pid = (): number => this.child.pid!;
    const service = {
      name: 'stage-0.1',
      get pid() {
        return pid();
      },
    };
    const members = [
      { appId: 'gateway', service: { name: 'gateway.1', pid: process.pid }, sidecar: null },
      { appId: 'stage-0', service, sidecar: null },
    ];
    this.system = { members, waitUntilComplete: () => Promise.resolve({}) } as unknown as LocalSystem;
  }

  /** As /proc says it: T is stopped. */
  get state(): string {
    return /^State:\s+(\w)/m.exec(readFileSync(`/proc/${this.child.pid!}/status`, 'utf8'))![1]!;
  }
}

const startAgain = (member: OneMember): void => {
  member.child = spawn(process.execPath, ['-e', 'setInterval(() => undefined, 1000)']);
};

describe('faults of processes', () => {
  let member: OneMember;
  afterEach(() => {
    member.child.removeAllListeners('exit');
    member.child.kill('SIGKILL');
  });

  it('kill a layer service, never the gateway, and wait until it is back', async () => {
    member = new OneMember(startAgain);
    const first = member.child.pid;
    expect(await disturbProcess('kill', member.system, () => 0.99, never)).toBeNull();
    expect(member.child.pid).not.toBe(first);
  });

  it('tell of a process that is gone for good', async () => {
    member = new OneMember(() => undefined);
    member.child.kill('SIGKILL');
    await eventually('its end', () => member.child.signalCode === 'SIGKILL');
    expect(await disturbProcess('kill', member.system, () => 0, never)).toBe(
      'stage-0.1 did not run when it was to be killed',
    );
    expect(await disturbProcess('stop', member.system, () => 0, never)).toBeNull();
  });

  it('stop one and let it go on, also when the run is broken off', async () => {
    member = new OneMember(startAgain);
    const broken = new AbortController();
    const stopping = disturbProcess('stop', member.system, () => 0.5, broken.signal);
    await eventually('the stop', () => member.state === 'T');
    broken.abort();
    await expect(stopping).rejects.toThrow();
    await eventually('its going on', () => member.state !== 'T');
  });
});
