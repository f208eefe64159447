import { setTimeout as delay } from 'node:timers/promises';
import type { TelemetryPrograms } from '../telemetry/programs.js';
import { readProcess } from '../bench/measure/proc.js';
import type { LocalSystem, SystemOptions } from '../local-system.js';
import { load } from './load.js';
import { withSystem } from './systems.js';

/** One round, without and with tracing of every request. */
export interface OverheadRow {
  readonly off: Cost;
  readonly on: Cost;
}

export interface Cost {
  readonly tokensPerSecond: number;
  /** Of the services and sidecars, and of the collector and all behind it, for a thousand output tokens. */
  readonly serving: number;
  readonly telemetry: number;
}

const closed = { clients: 16, requests: 1, promptTokens: 128, outputTokens: 128 };
/** Until the collector and Jaeger have worked off what a round left them. */
const SETTLE_MS = 2_000;

/** Two systems side by side, one traced; each round puts first the one, then the other under the same load. */
export async function measureOverhead(
  plan: Omit<SystemOptions, 'port'>,
  programs: TelemetryPrograms,
  rounds: number,
  signal: AbortSignal,
): Promise<OverheadRow[]> {
  return withSystem({ ...plan, telemetry: null }, null, signal, (off) =>
    withSystem({ ...plan, telemetry: programs }, null, signal, async (on) => {
      const cost = (system: LocalSystem, seed: number): Promise<Cost> => costOf(system, seed, signal);
      for (const system of [off, on]) await cost(system, 0);
      const rows: OverheadRow[] = [];
      for (let round = 1; round <= rounds; round++) {
        // Who begins changes, so that a drift of the machine favours neither.
        if (round % 2 === 0) {
          const first = await cost(on, round);
          rows.push({ on: first, off: await cost(off, round) });
        } else {
          const first = await cost(off, round);
          rows.push({ off: first, on: await cost(on, round) });
        }
      }
      return rows;
    }),
  );
}

/** What is left to export after the last token is part of it. */
async function costOf(system: LocalSystem, seed: number, signal: AbortSignal): Promise<Cost> {
  const before = processorSeconds(system);
  const { tokensPerSecond } = await load(system.url, { ...closed, seed }, signal);
  await delay(SETTLE_MS, undefined, { signal });
  const after = processorSeconds(system);
  const thousands = (closed.clients * closed.requests * closed.outputTokens) / 1_000;
  return {
    tokensPerSecond,
    serving: (after.serving - before.serving) / thousands,
    telemetry: (after.telemetry - before.telemetry) / thousands,
  };
}

function processorSeconds({ members, telemetry }: LocalSystem): { serving: number; telemetry: number } {
  const sum = (pids: readonly number[]): number =>
    pids.reduce((total, pid) => total + (readProcess(pid)?.cpuSeconds ?? 0), 0);
  return {
    serving: sum(members.flatMap(({ service, sidecar }) => [service.pid, ...(sidecar ? [sidecar.pid] : [])])),
    telemetry: sum([...(telemetry?.processes.values() ?? [])].map(({ pid }) => pid)),
  };
}
