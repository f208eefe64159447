import type { SystemOptions } from '../../local/local-system.js';
import { load, reportOf, withSystem } from './systems.js';

/** What the report says when one stage, or none, sleeps 20 ms in each step. */
export interface TruthRow {
  readonly slow: string | null;
  readonly clients: number;
  /** Mean step of each stage, milliseconds. */
  readonly steps: readonly number[];
  readonly named: string;
}

export const DELAY_MS = 20;

/** Slows each stage in turn, under one client and under sixteen. */
export async function measureTruth(plan: SystemOptions, signal: AbortSignal): Promise<TruthRow[]> {
  const rows: TruthRow[] = [];
  for (const slow of [null, ...stagesOf(plan)]) {
    const fault = slow === null ? null : { stage: slow, perStep: DELAY_MS };
    await withSystem(plan, fault, signal, async (system) => {
      for (const clients of [1, 16]) {
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
export async function measurePredictions(plan: SystemOptions, signal: AbortSignal): Promise<PredictionRow[]> {
  const rows: PredictionRow[] = [];
  for (const stage of stagesOf(plan)) {
    await withSystem(plan, { stage, ...SLOW }, signal, async (system) => {
      const closed = { clients: CLIENTS, requests: 2, promptTokens: 32, outputTokens: 96 };
      // Sizes of steps that a step's cost can be told from.
      await load(system.url, { ...closed, clients: CLIENTS / 2, requests: 1, seed: 1 }, signal);
      const { tokensPerSecond: before, seconds } = await load(system.url, { ...closed, seed: 2 }, signal);
      const report = await reportOf(system, seconds, signal);
      const { gain } = report.predictions.find(({ change }) => change === `${stage} +1 replica`)!;
      await system.scale(stage, 2, signal);
      await load(system.url, { ...closed, requests: 1, outputTokens: 32, seed: 3 }, signal);
      const { tokensPerSecond: measured } = await load(system.url, { ...closed, seed: 4 }, signal);
      rows.push({ stage, clients: CLIENTS, before, predicted: before * gain, measured });
    });
  }
  return rows;
}

const stagesOf = ({ split }: SystemOptions): string[] => [...split, null].map((_, index) => `stage-${index}`);
