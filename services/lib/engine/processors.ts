import { existsSync, readFileSync, statSync } from 'node:fs';
import { availableParallelism, hostname } from 'node:os';

/**
 * Threads that this process may really use: a container's CPU quota (cgroup v2, then v1) where there is one,
 * else the processors that the system grants. Never less than one.
 */
export function availableThreads(root = '/sys/fs/cgroup'): number {
  return Math.max(1, Math.min(availableParallelism(), Math.floor(cpuQuota(root) ?? Infinity)));
}

/**
 * Below so many weights a layer's operators are so small that two threads wait for each other about as long as
 * they save: with 3.5 million, a step of 1 to 32 sequences took 0.8 to 1.0 of its time with a second thread, with
 * 44 million 0.6 (docs/adr/009-threads-and-groups.md).
 */
const SMALL_LAYER = 16e6;

export interface ThreadDemand {
  /** Of the model that is cut into them. */
  readonly stages: number;
  /** Of one layer. */
  readonly layerWeights: number;
}

/**
 * Threads of one stage's engine by default. Stages without a quota of their own are taken to share their machine:
 * where a second thread gains little, each gets its part of the processors, and computes while others do.
 */
export function engineThreads({ stages, layerWeights }: ThreadDemand, root = '/sys/fs/cgroup'): number {
  const granted = availableThreads(root);
  if (layerWeights >= SMALL_LAYER || cpuQuota(root) !== null) return granted;
  return Math.max(1, Math.floor(granted / stages));
}

/** More threads than so many wait for each other's shares of small operators; more than two were not measured. */
const MOST_ALONE = 4;

/** Threads of a step beside which nothing else is computed, by default, of a stage that else computes with `threads`. */
export const aloneThreads = (threads: number, root = '/sys/fs/cgroup'): number =>
  Math.max(threads, Math.min(MOST_ALONE, availableThreads(root)));

/** Processors that the container's quota comes to; null without one. */
export function cpuQuota(root = '/sys/fs/cgroup'): number | null {
  return quotaV2(root) ?? quotaV1(root);
}

/** `cpu.max` is "quota period" in microseconds, or "max period". */
function quotaV2(root: string): number | null {
  const [quota, period] = readText(`${root}/cpu.max`)?.split(' ') ?? [];
  return ratio(quota, period);
}

function quotaV1(root: string): number | null {
  return ratio(readText(`${root}/cpu/cpu.cfs_quota_us`), readText(`${root}/cpu/cpu.cfs_period_us`));
}

/** No limit is `max` in version 2 and -1 in version 1. */
function ratio(quota: string | undefined, period: string | undefined): number | null {
  const processors = Number(quota) / Number(period);
  return processors > 0 ? processors : null;
}

/**
 * Names the owner of the processors that this process computes on: its container if that has a CPU quota of
 * its own, else the machine, or the part of it to which the process is pinned. Processes with the same owner
 * gain nothing by computing at the same time. (Two that are pinned to ranges which overlap count as two.)
 */
export function processorsOwner(cgroup = '/sys/fs/cgroup', proc = '/proc'): string {
  const machine = readText(`${proc}/sys/kernel/random/boot_id`) ?? hostname();
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
    return readFileSync(file, 'utf8').trim();
  } catch {
    return undefined;
  }
}
