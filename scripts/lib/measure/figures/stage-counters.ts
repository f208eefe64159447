import { Scrape } from '../../local/metrics-page.js';

export type Phase = 'prefill' | 'decode';

/** What a stage has done so far, from its own /metrics. A part is one sequence's rows in one step. */
export type StageCounters = Readonly<
  Record<
    | 'busySeconds'
    | 'hops'
    | 'hopSeconds'
    | 'bytesOut'
    /** From when it could be found until its first sequence; 0 before that. */
    | 'firstSequenceSeconds'
    | 'timedSteps'
    | 'stepsOnPoint'
    | 'stepsInTime'
    | `${Phase}${'Steps' | 'StepSeconds' | 'Parts' | 'QueueSeconds'}`,
    number
  >
>;

export async function readStage(metricsUrl: string): Promise<StageCounters> {
  return stageCountersOf(await (await fetch(metricsUrl)).text());
}

export function stageCountersOf(page: string): StageCounters {
  const scrape = new Scrape(page);
  const of = (name: string, label?: string): number => scrape.total(`layermesh_stage_${name}`, label);
  const [prefill, decode] = ['phase="prefill"', 'phase="decode"'];
  return {
    busySeconds: of('busy_seconds_total'),
    hops: of('link_seconds_count'),
    hopSeconds: of('link_seconds_sum'),
    bytesOut: of('link_bytes_total', 'direction="out"'),
    firstSequenceSeconds: of('first_sequence_seconds'),
    // Of a timed engine: all, and those that were late by a hundredth and a twentieth of a step at most.
    timedSteps: of('step_overshoot_ratio_count'),
    stepsOnPoint: of('step_overshoot_ratio_bucket', 'le="0.01"'),
    stepsInTime: of('step_overshoot_ratio_bucket', 'le="0.05"'),
    prefillSteps: of('step_seconds_count', prefill),
    prefillStepSeconds: of('step_seconds_sum', prefill),
    prefillParts: of('queue_seconds_count', prefill),
    prefillQueueSeconds: of('queue_seconds_sum', prefill),
    decodeSteps: of('step_seconds_count', decode),
    decodeStepSeconds: of('step_seconds_sum', decode),
    decodeParts: of('queue_seconds_count', decode),
    decodeQueueSeconds: of('queue_seconds_sum', decode),
  };
}

export const difference = (later: StageCounters, earlier: StageCounters): StageCounters =>
  combine(later, earlier, (one, other) => one - other);

export const total = (one: StageCounters, other: StageCounters): StageCounters =>
  combine(one, other, (a, b) => a + b);

function combine(
  one: StageCounters,
  other: StageCounters,
  operation: (a: number, b: number) => number,
): StageCounters {
  const names = Object.keys(one) as (keyof StageCounters)[];
  const pairs = names.map((name) => [name, operation(one[name], other[name])]);
  return Object.fromEntries(pairs) as StageCounters;
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

interface Seen {
  readonly pods: readonly { readonly name: string; readonly counters: StageCounters | null }[];
}

/**
 * What each pod counted from its first reading in some observations to its last; one that was not there at the first observation, or
 * whose process began anew, since it began.
 */
export function countersOver(observations: readonly Seen[]): { name: string; counters: StageCounters }[] {
  const atStart = new Set(observations[0]?.pods.map(({ name }) => name));
  const last = new Map<string, StageCounters>();
  const counted = new Map<string, StageCounters>();
  for (const { name, counters } of observations.flatMap(({ pods }) => pods)) {
    if (counters === null) continue;
    const earlier = last.get(name) ?? (atStart.has(name) ? counters : null);
    // What counts only up and has fallen is another process's.
    const isSame = earlier !== null && counters.busySeconds >= earlier.busySeconds;
    const more = isSame ? difference(counters, earlier) : counters;
    const known = counted.get(name);
    counted.set(name, known === undefined ? more : total(known, more));
    last.set(name, counters);
  }
  return [...counted].map(([name, counters]) => ({ name, counters }));
}
