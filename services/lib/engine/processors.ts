import { existsSync, readFileSync, statSync } from 'node:fs';
import { hostname } from 'node:os';
import { cpuQuota } from './threads.js';

/**
 * Names the owner of the processors that this process computes on: its container if that has a CPU quota of
 * its own, else the machine, or the part of it to which the process is pinned. Processes with the same owner
 * gain nothing by computing at the same time. (Two that are pinned to ranges which overlap count as two.)
 */
export function processorsOwner(cgroup = '/sys/fs/cgroup', proc = '/proc'): string {
  const machine = readText(`${proc}/sys/kernel/random/boot_id`)?.trim() ?? hostname();
  if (cpuQuota(cgroup) !== null) {
    // The kernel names a cgroup by its inode, whatever the container sees of it.
    const controller = existsSync(`${cgroup}/cpu.max`) ? cgroup : `${cgroup}/cpu`;
    return `${machine}/cgroup-${statSync(controller).ino}`;
  }
  const pinned = /^Cpus_allowed_list:\s*(\S+)/m.exec(readText(`${proc}/self/status`) ?? '')?.[1];
  return `${machine}/cpus-${pinned ?? 'all'}`;
}

function readText(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return undefined;
  }
}
