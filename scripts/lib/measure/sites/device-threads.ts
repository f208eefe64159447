import { existsSync } from 'node:fs';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { DEVICE_THREAD } from '../../../../services/lib/engine/timed/device-clock.js';
import { runTool } from '../../../bootstrap/tool.mjs';
import { repositoryRoot } from '../../repository.js';

const LOOK_MS = 1_000;
/** Where a kernel with RT_GROUP_SCHED keeps what may run in real time: containers have no share of it, and this group has one. */
const ROOT_GROUP = '/sys/fs/cgroup/cpu/tasks';

/**
 * Threads of emulated devices ask to be woken before all others, which a container is refused where the kernel gives its group no
 * real time. Where the cluster's only node is this machine, and we are root on it, they are given it from outside, until `signal`:
 * whatever is not allowed shows in the validity of the runs.
 */
export async function wakeDevicesFirst(signal: AbortSignal): Promise<void> {
  const done = new Set<string>();
  while (!signal.aborted) {
    for (const thread of await deviceThreads().catch(() => [])) {
      if (done.has(thread)) continue;
      done.add(thread);
      if (existsSync(ROOT_GROUP)) await writeFile(ROOT_GROUP, thread).catch(() => undefined);
      await runTool('chrt', ['-f', '-p', '1', thread], { cwd: repositoryRoot }).catch(() => undefined);
    }
    await delay(LOOK_MS, undefined, { signal }).catch(() => undefined);
  }
}

async function deviceThreads(): Promise<string[]> {
  const processes = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
  const stages = await filtered(processes, async (pid) =>
    (await readFile(`/proc/${pid}/cmdline`, 'utf8')).includes('services/stage/main'),
  );
  const threads = await Promise.all(
    stages.map((pid) =>
      readdir(`/proc/${pid}/task`).then(
        (own) => filtered(own, async (each) => (await nameOf(pid, each)) === DEVICE_THREAD),
        () => [],
      ),
    ),
  );
  return threads.flat();
}

const nameOf = async (pid: string, thread: string): Promise<string> =>
  (await readFile(`/proc/${pid}/task/${thread}/comm`, 'utf8')).trim();

/** Those of which it is true; whatever has ended meanwhile is not. */
async function filtered(
  items: readonly string[],
  isIt: (item: string) => Promise<boolean>,
): Promise<string[]> {
  const kept = await Promise.all(items.map((item) => isIt(item).catch(() => false)));
  return items.filter((_, index) => kept[index]);
}
