import type { SystemOptions } from '../local-system.js';
import { load } from './load.js';
import { reportOf, withSystem } from './systems.js';

/** What the report says when one stage, or none, sleeps 20 ms in each step. */
export interface TruthRow {
  readonly slow: string | null;
  readonly clients: number;
  /** Mean step of each stage, milliseconds. */
  readonly steps: readonly number[];
  readonly named: string;
}

export const DELAY_MS = 20;
const CLIENTS = [1, 16];

/** Slows each stage in turn, under one client and under sixteen. */
export async function measureTruth(
  plan: Omit<SystemOptions, 'port'>,
  signal: AbortSignal,
): Promise<TruthRow[]> {
  const stages = [...plan.split, null].map((_, index) => `stage-${index}`);
  const rows: TruthRow[] = [];
  for (const slow of [null, ...stages]) {
    const fault = slow === null ? null : { stage: slow, perStep: DELAY_MS };
    await withSystem(plan, fault, signal, async (system) => {
      for (const clients of CLIENTS) {
        const closed = { clients, requests: 2, promptTokens: 32, outputTokens: 64, seed: 1 };
        const { seconds } = await load(system.url, closed, signal);
        const report = await reportOf(system, seconds, signal);
        const steps = report.stages.map(({ step_ms }) => step_ms);
        rows.push({ slow, clients, steps, named: report.bottleneck.stage });
      }
    });
  }
  return rows;
}
