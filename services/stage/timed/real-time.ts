import { execFileSync } from 'node:child_process';
import { readlinkSync, writeFileSync } from 'node:fs';
import { basename } from 'node:path';
import { DEVICE_THREAD } from '../../lib/engine/timed/device-clock.js';

/** The lowest of those that come before every thread that shares its processor's time. */
const PRIORITY = 1;
/** Within which the system has to answer, milliseconds. */
const LIMIT_MS = 2_000;

/**
 * Asks the system to run the calling thread before all others as soon as it can run (SCHED_FIFO), for it stands for a
 * device, which needs no processor of its host to end a step. It sleeps nearly all the time, and the kernel leaves the others
 * 5 % of each processor whatever it does. Returns null, or why it goes on without: elsewhere than on Linux, without the
 * right to (CAP_SYS_NICE, or a limit of real-time priorities), or without the command, which Node has no call for.
 */
export function claimRealTime({ command = 'chrt', limitMs = LIMIT_MS } = {}): string | null {
  try {
    writeFileSync('/proc/thread-self/comm', DEVICE_THREAD);
    // "<process>/task/<thread>"; the flags are those of util-linux and of busybox.
    const thread = basename(readlinkSync('/proc/thread-self'));
    execFileSync(command, ['-f', '-p', String(PRIORITY), thread], {
      stdio: ['ignore', 'ignore', 'pipe'],
      timeout: limitMs,
      killSignal: 'SIGKILL',
    });
    return null;
  } catch (error) {
    const { message, stderr } = error as Error & { readonly stderr?: Buffer | null };
    const [said = ''] = (stderr?.toString() ?? '').trim().split('\n');
    return said === '' ? message : said;
  }
}
