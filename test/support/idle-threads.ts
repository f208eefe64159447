import { readFileSync, readdirSync } from 'node:fs';

/** Of `/proc/<pid>/task/<tid>/stat`, counted after the name: see proc(5). */
const STATE = 0;
const USER_TICKS = 11;
const POLICY = 38;
const SCHED_IDLE = '5';

export interface IdleThread {
  /** `R` while it runs or wants to, `S` while it sleeps. */
  readonly state: string;
  /** CPU time, in clock ticks. */
  readonly ticks: number;
}

/** The threads of a process that run at SCHED_IDLE. */
export function idleThreads(pid: number): IdleThread[] {
  return readdirSync(`/proc/${pid}/task`)
    .map((thread) => readFileSync(`/proc/${pid}/task/${thread}/stat`, 'utf8'))
    .map((stat) => stat.slice(stat.lastIndexOf(')') + 2).split(' '))
    .filter((fields) => fields[POLICY] === SCHED_IDLE)
    .map((fields) => ({ state: fields[STATE]!, ticks: Number(fields[USER_TICKS]) }));
}
