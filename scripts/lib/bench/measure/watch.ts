import type { Served } from '../types.js';
import { difference } from './counters.js';
import { readMachineCpu, readProcess } from './proc.js';
import { readStage, type StageCounters } from './stage-counters.js';

/** What a system, its clients and others used of the machine while it was measured. */
export interface Usage {
  readonly processes: readonly ProcessUsage[];
  readonly stages: readonly { readonly name: string; readonly counters: StageCounters }[];
  /** CPU seconds of this process, which plays the clients. */
  readonly clientSeconds: number;
  /** CPU seconds of all processes that have no part in it; null where not every part is known. */
  readonly otherSeconds: number | null;
}

export interface ProcessUsage {
  readonly name: string;
  readonly cpuSeconds: number;
  /** Of its first thread alone: in Node, of the event loop. */
  readonly mainThreadSeconds: number;
  /** At the end. */
  readonly rssBytes: number;
}

/** Reads everything now; the function that it returns reads it again and tells what came in between. */
export async function watch({ processes, stages }: Served): Promise<() => Promise<Usage>> {
  const read = async () => ({
    stages: await Promise.all(stages.map(({ metricsUrl }) => readStage(metricsUrl))),
    processes: processes.map(({ pid }) => readProcess(pid)),
    machine: readMachineCpu(),
    client: process.cpuUsage(),
  });
  const before = await read();

  return async () => {
    const after = await read();
    const used = processes.flatMap(({ name }, index): ProcessUsage[] => {
      const [earlier, later] = [before.processes[index], after.processes[index]];
      if (!earlier || !later) return [];
      return [
        {
          name,
          cpuSeconds: later.cpuSeconds - earlier.cpuSeconds,
          mainThreadSeconds: later.mainThreadSeconds - earlier.mainThreadSeconds,
          rssBytes: later.rssBytes,
        },
      ];
    });
    const client = process.cpuUsage(before.client);
    const clientSeconds = (client.user + client.system) / 1e6;
    const ours = used.reduce((sum, { cpuSeconds }) => sum + cpuSeconds, clientSeconds);
    const machine = before.machine === null || after.machine === null ? null : after.machine - before.machine;
    return {
      processes: used,
      stages: stages.map(({ name }, index) => ({
        name,
        counters: difference(after.stages[index]!, before.stages[index]!),
      })),
      clientSeconds,
      otherSeconds: used.length === 0 || machine === null ? null : Math.max(0, machine - ours),
    };
  };
}
