import { readFileSync } from 'node:fs';

/** What a process has used so far. */
export interface ProcessReading {
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

/** Of the line `cpu user nice system idle iowait irq softirq …` all but idle, iowait and the guests in user. */
export function machineCpuOf(stat: string): number {
  const [user, nice, system, , , irq, softirq] = stat.split('\n')[0]!.split(/\s+/).slice(1).map(Number);
  return (user! + nice! + system! + irq! + softirq!) / TICKS_PER_SECOND;
}
