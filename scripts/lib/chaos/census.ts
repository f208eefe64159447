import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { readProcess } from '../measure/figures/usage.js';
import type { LocalSystem } from '../local/local-system.js';

/** Of one process: its open handles by what they are, and its threads. */
interface Holdings {
  readonly sockets: number;
  readonly pipes: number;
  readonly files: number;
  /** Timers, event queues and the like. */
  readonly others: number;
  readonly threads: number;
}

export interface CountedProcess extends Holdings {
  /** Such as `stage-1.2` or `stage-1.2.daprd`. */
  readonly name: string;
  readonly rssBytes: number;
}

/** Everything of a system that requests take and have to give back. */
export interface Census {
  readonly running: number;
  readonly waiting: number;
  readonly replicas: readonly {
    readonly name: string;
    readonly sequences: number;
    readonly kvUsed: number;
  }[];
  readonly processes: readonly CountedProcess[];
}

/** Counts a system now; a process that is not there is not in it. */
export async function takeCensus({ gateway, members }: LocalSystem): Promise<Census> {
  const metric = await gateway.metrics();
  const { stages } = await gateway.topology();
  const nameOf = (pid: number): string =>
    members.find(({ service }) => service.pid === pid)?.service.name ?? `process ${pid}`;
  return {
    running: metric('requests_running'),
    waiting: metric('requests_waiting'),
    replicas: stages.flatMap(({ replicas }) =>
      replicas.map(({ pid, sequences, kv_used: kvUsed }) => ({ name: nameOf(pid), sequences, kvUsed })),
    ),
    processes: members
      .flatMap(({ processes }) => processes)
      .flatMap(({ name, pid }) => countProcess(name, pid) ?? []),
  };
}

function countProcess(name: string, pid: number): CountedProcess | null {
  const rssBytes = readProcess(pid)?.rssBytes;
  try {
    const targets = readdirSync(`/proc/${pid}/fd`).map((fd) => targetOf(`/proc/${pid}/fd/${fd}`));
    const count = (prefix: string): number => targets.filter((target) => target.startsWith(prefix)).length;
    const [sockets, pipes, files] = [count('socket:'), count('pipe:'), count('/')];
    const threads = Number(/^Threads:\s+(\d+)$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0);
    const others = targets.length - sockets - pipes - files;
    return { name, rssBytes: rssBytes ?? 0, sockets, pipes, files, others, threads };
  } catch {
    return null;
  }
}

/** A handle may be closed between being listed and being looked at. */
function targetOf(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return '';
  }
}

/**
 * By how much a process may hold more than before. A replica that was started again is met by its neighbours on links
 * of their own making, and pools of connections and of threads grow with the first that use them; what every request,
 * or every fault, leaves behind is soon more than this.
 */
export const TOLERANCE: Holdings = { sockets: 4, pipes: 2, files: 2, others: 2, threads: 2 };

/** A line for everything that was not given back. Of sidecars only that they live: their pools are their own. */
export function leftovers(before: Census, after: Census): string[] {
  const held = [
    ...(after.running > 0 ? [`${after.running} requests still run`] : []),
    ...(after.waiting > 0 ? [`${after.waiting} requests still wait`] : []),
    ...after.replicas.flatMap(({ name, sequences, kvUsed }) =>
      sequences > 0 || kvUsed > 0
        ? [`${name} still has ${sequences} sequences and ${kvUsed} tokens of KV`]
        : [],
    ),
    ...before.replicas
      .filter(({ name }) => !after.replicas.some((other) => other.name === name))
      .map(({ name }) => `${name} is not in the topology any more`),
  ];
  return [...held, ...before.processes.flatMap((process) => grown(process, after.processes))];
}

function grown(before: CountedProcess, processes: readonly CountedProcess[]): string[] {
  const after = processes.find(({ name }) => name === before.name);
  if (after === undefined) return [`${before.name} does not run any more`];
  if (before.name.endsWith('.daprd')) return [];
  return (Object.keys(TOLERANCE) as (keyof Holdings)[])
    .filter((what) => after[what] > before[what] + TOLERANCE[what])
    .map((what) => `${before.name} has ${after[what]} ${what}, before ${before[what]}`);
}
