import type { Counters } from './counters.js';
import { Scrape } from './prometheus.js';

const PHASES = ['prefill', 'decode'] as const;
export type Phase = (typeof PHASES)[number];

type PhaseFigure = 'Steps' | 'StepSeconds' | 'Parts' | 'QueueSeconds';

/** What a stage has done so far, from its own /metrics. A part is one sequence's rows in one step. */
export type StageCounters = Counters<
  'busySeconds' | 'hops' | 'hopSeconds' | 'bytesOut' | `${Phase}${PhaseFigure}`
>;

export async function readStage(metricsUrl: string): Promise<StageCounters> {
  return stageCountersOf(await (await fetch(metricsUrl)).text());
}

export function stageCountersOf(page: string): StageCounters {
  const scrape = new Scrape(page);
  const of = (name: string, label?: string): number => scrape.total(`layermesh_stage_${name}`, label);
  const phase = (name: Phase): Record<PhaseFigure, number> => {
    const label = `phase="${name}"`;
    return {
      Steps: of('step_seconds_count', label),
      StepSeconds: of('step_seconds_sum', label),
      Parts: of('queue_seconds_count', label),
      QueueSeconds: of('queue_seconds_sum', label),
    };
  };
  const phases = PHASES.flatMap((name) =>
    Object.entries(phase(name)).map(([figure, value]) => [`${name}${figure}`, value]),
  );
  return {
    busySeconds: of('busy_seconds_total'),
    hops: of('link_seconds_count'),
    hopSeconds: of('link_seconds_sum'),
    bytesOut: of('link_bytes_total', 'direction="out"'),
    ...(Object.fromEntries(phases) as Record<`${Phase}${PhaseFigure}`, number>),
  };
}

/** Means per step and per part; null where a phase had none. */
export function phaseMeans(
  counters: StageCounters,
  phase: Phase,
): { steps: number; sequences: number; stepMs: number; queueMs: number } | null {
  const steps = counters[`${phase}Steps`];
  const parts = counters[`${phase}Parts`];
  if (steps === 0) return null;
  return {
    steps,
    sequences: parts / steps,
    stepMs: (counters[`${phase}StepSeconds`] / steps) * 1000,
    queueMs: (counters[`${phase}QueueSeconds`] / parts) * 1000,
  };
}
