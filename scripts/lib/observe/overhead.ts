import { setTimeout as delay } from 'node:timers/promises';
import type { SystemOptions } from '../local-system.js';
import type { TelemetryPrograms } from '../telemetry/programs.js';
import { load } from './load.js';
import { withSystem } from './systems.js';

/** Output tokens per second of one round, without and with tracing of every request. */
export interface OverheadRow {
  readonly off: number;
  readonly on: number;
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
      const throughput = async (url: string, seed: number): Promise<number> => {
        await delay(SETTLE_MS, undefined, { signal });
        return (await load(url, { ...closed, seed }, signal)).tokensPerSecond;
      };
      for (const { url } of [off, on]) await throughput(url, 0);
      const rows: OverheadRow[] = [];
      for (let round = 1; round <= rounds; round++) {
        // Who begins changes, so that a drift of the machine favours neither.
        if (round % 2 === 0) {
          const first = await throughput(on.url, round);
          rows.push({ on: first, off: await throughput(off.url, round) });
        } else {
          const first = await throughput(off.url, round);
          rows.push({ off: first, on: await throughput(on.url, round) });
        }
      }
      return rows;
    }),
  );
}
