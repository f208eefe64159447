import type { SystemOptions } from '../local-system.js';
import { load } from './load.js';
import { reportOf, withSystem } from './systems.js';

/** Tokens per second: before, as predicted for one replica more, and with it. */
export interface PredictionRow {
  readonly stage: string;
  readonly clients: number;
  readonly before: number;
  readonly predicted: number;
  readonly measured: number;
}

/** Of the slow stage. A step of sixteen then takes what a stage four times as large would take on these processors. */
export const SLOW = { perStep: 20, perSequence: 4 };
const CLIENTS = 16;

/** Makes each stage slow in turn, asks the report what one more replica of it would bring, and adds one. */
export async function measurePredictions(
  plan: Omit<SystemOptions, 'port'>,
  signal: AbortSignal,
): Promise<PredictionRow[]> {
  const stages = [...plan.split, null].map((_, index) => `stage-${index}`);
  const rows: PredictionRow[] = [];
  for (const stage of stages) {
    const row = await withSystem(plan, { stage, ...SLOW }, signal, async (system) => {
      const closed = { clients: CLIENTS, requests: 2, promptTokens: 32, outputTokens: 96 };
      // Sizes of steps that a step's cost can be told from.
      await load(system.url, { ...closed, clients: CLIENTS / 2, requests: 1, seed: 1 }, signal);
      const before = await load(system.url, { ...closed, seed: 2 }, signal);
      const report = await reportOf(system, before.seconds, signal);
      const { gain } = report.predictions.find(({ change }) => change === `${stage} +1 replica`)!;
      await system.scale(stage, 2, signal);
      await load(system.url, { ...closed, requests: 1, outputTokens: 32, seed: 3 }, signal);
      const after = await load(system.url, { ...closed, seed: 4 }, signal);
      return { before: before.tokensPerSecond, gain, measured: after.tokensPerSecond };
    });
    const { before, gain, measured } = row;
    rows.push({ stage, clients: CLIENTS, before, predicted: before * gain, measured });
  }
  return rows;
}
