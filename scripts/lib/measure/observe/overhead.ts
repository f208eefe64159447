import { setTimeout as delay } from 'node:timers/promises';
import type { LocalSystem, SystemOptions } from '../../local/local-system.js';
import type { TelemetryPrograms } from '../../local/telemetry/programs.js';
import { sum } from '../figures/statistics.js';
import { readProcess } from '../figures/usage.js';
import { load, withSystem } from './systems.js';

/** One round, without and with tracing of every request. */
export interface OverheadRow {
  readonly off: Cost;
  readonly on: Cost;
}

interface Cost {
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
  plan: SystemOptions,
  programs: TelemetryPrograms,
  rounds: number,
  signal: AbortSignal,
): Promise<OverheadRow[]> {
  return withSystem({ ...plan, telemetry: null }, null, signal, (off) =>
    withSystem({ ...plan, telemetry: programs }, null, signal, async (on) => {
      const rows: OverheadRow[] = [];
      // Round 0 warms up.
      for (let round = 0; round <= rounds; round++) {
        // Who begins changes, so that a drift of the machine favours neither.
        const offFirst = round % 2 !== 0;
        const first = await costOf(offFirst ? off : on, round, signal);
        const second = await costOf(offFirst ? on : off, round, signal);
        rows.push(offFirst ? { off: first, on: second } : { off: second, on: first });
      }
      return rows.slice(1);
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
  const of = (processes: Iterable<{ readonly pid: number }>): number =>
    sum([...processes].map(({ pid }) => readProcess(pid)?.cpuSeconds ?? 0));
  return {
    serving: of(members.flatMap(({ processes }) => processes)),
    telemetry: of(telemetry?.processes.values() ?? []),
  };
}
