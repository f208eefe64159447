import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import type { HostUsage, ProcessUsage, Served, Usage } from '../types.js';
import { difference, readStage } from './stage-counters.js';
import { sum } from './statistics.js';

/** Reads everything now; the function that it returns reads it again and tells what came in between. */
export async function watch({ processes, stages }: Served): Promise<() => Promise<Usage>> {
  const read = async () => ({
    stages: await Promise.all(stages.map(({ metricsUrl }) => readStage(metricsUrl))),
    processes: processes.map(({ pid }) => readProcess(pid)),
  });
  const before = await read();
  const machine = watchMachine();

  return async () => {
    const after = await read();
    const used = processes.flatMap(({ name }, index): ProcessUsage[] => {
      const [earlier, later] = [before.processes[index], after.processes[index]];
      if (!earlier || !later) return [];
      const cpuSeconds = later.cpuSeconds - earlier.cpuSeconds;
      const mainThreadSeconds = later.mainThreadSeconds - earlier.mainThreadSeconds;
      return [{ name, cpuSeconds, mainThreadSeconds, rssBytes: later.rssBytes }];
    });
    const { machineSeconds, clientSeconds, host } = machine();
    const ours = clientSeconds + sum(used.map(({ cpuSeconds }) => cpuSeconds));
    return {
      processes: used,
      stages: stages.map(({ name }, index) => ({
        name,
        counters: difference(after.stages[index]!, before.stages[index]!),
      })),
      clientSeconds,
      otherSeconds: used.length === 0 || machineSeconds === null ? null : Math.max(0, machineSeconds - ours),
      host,
    };
  };
}

/** As `watch`, of this machine, null where that is not known, and of this process alone, which plays the clients. */
export function watchMachine(): () => {
  readonly machineSeconds: number | null;
  readonly clientSeconds: number;
  readonly host: HostUsage | null;
} {
  const [machine, client] = [readMachineCpu(), process.cpuUsage()];
  const [began, throttledBefore] = [performance.now(), readThrottled()];
  return () => {
    const [now, { user, system }] = [readMachineCpu(), process.cpuUsage(client)];
    const machineSeconds = machine === null || now === null ? null : now - machine;
    const seconds = (performance.now() - began) / 1000;
    const throttled = readThrottled() - throttledBefore;
    return {
      machineSeconds,
      clientSeconds: (user + system) / 1e6,
      host:
        machineSeconds === null
          ? null
          : { busy: machineSeconds / seconds / availableParallelism(), throttled },
    };
  };
}

/** What a process has used so far. */
interface ProcessReading {
  readonly cpuSeconds: number;
  /** Of its first thread alone: in Node, of the event loop. */
  readonly mainThreadSeconds: number;
  readonly rssBytes: number;
}

/** USER_HZ of /proc, on every architecture that Linux runs on today. */
const TICKS_PER_SECOND = 100;

/** Null where there is no such process, or no /proc. */
export function readProcess(pid: number): ProcessReading | null {
  try {
    const rss = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'));
    return {
      cpuSeconds: cpuSecondsOf(readFileSync(`/proc/${pid}/stat`, 'utf8')),
      mainThreadSeconds: cpuSecondsOf(readFileSync(`/proc/${pid}/task/${pid}/stat`, 'utf8')),
      rssBytes: Number(rss?.[1] ?? 0) * 1024,
    };
  } catch {
    return null;
  }
}

/** User and system time, fields 14 and 15. The name in field 2 may hold blanks and brackets. */
export function cpuSecondsOf(stat: string): number {
  const fromThird = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fromThird[11]) + Number(fromThird[12])) / TICKS_PER_SECOND;
}

/** CPU seconds that all processes of this machine have used; null where there is no /proc. */
export function readMachineCpu(): number | null {
  try {
    return machineCpuOf(readFileSync('/proc/stat', 'utf8'));
  } catch {
    return null;
  }
}

/** Periods of this container, of any version of cgroups, in which its quota was used up; 0 where there is none. */
function readThrottled(root = '/sys/fs/cgroup'): number {
  for (const file of [`${root}/cpu.stat`, `${root}/cpu/cpu.stat`]) {
    try {
      return Number(/^nr_throttled (\d+)$/m.exec(readFileSync(file, 'utf8'))?.[1] ?? 0);
    } catch {
      continue;
    }
  }
  return 0;
}

/** Of the line `cpu user nice system idle iowait irq softirq …` all but idle, iowait and the guests in user. */
export function machineCpuOf(stat: string): number {
  const [user, nice, system, , , irq, softirq] = stat.split('\n')[0]!.split(/\s+/).slice(1).map(Number);
  return (user! + nice! + system! + irq! + softirq!) / TICKS_PER_SECOND;
}
