import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';

/**
 * Threads that this process may really use: a container's CPU quota (cgroup v2, then v1) where there is one,
 * else the processors that the system grants. Never less than one.
 */
export function availableThreads(root = '/sys/fs/cgroup'): number {
  return Math.max(1, Math.min(availableParallelism(), Math.floor(cpuQuota(root) ?? Infinity)));
}

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

function readText(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8').trim();
  } catch {
    return undefined;
  }
}
