import { RoundSums } from './rounds.js';
import type { SequenceTimes, SequenceTrace } from './sequence-trace.js';

/** What is measured of a request before its sequences run. */
export type RequestPhase = 'tokenize' | 'admission' | 'route';

/**
 * Where a request's time went, milliseconds: of its sequence that was answered last, where it has several. `total_ms` is
 * the sum of all others but `prefill_ms` and `decode_ms`, which are the sums of what their stages and hops took.
 */
export interface Timings {
  readonly total_ms: number;
  readonly tokenize_ms: number;
  readonly queue_ms: number;
  readonly route_ms: number;
  readonly prefill_ms: number;
  readonly decode_ms: number;
  /** Parsing, detokenising and writing, and waiting for a client that reads slowly. */
  readonly gateway_ms: number;
  /** Waiting in vain for routes that broke, and for others. */
  readonly reroute_ms: number;
  readonly decode_rounds: number;
  readonly stages: readonly StageTimings[];
  /** Between the processes: what the rounds took less what the stages did. */
  readonly hops: { readonly prefill_ms: number; readonly decode_ms: number };
}

export interface StageTimings {
  readonly stage: string;
  readonly replica: string;
  readonly prefill: { readonly queue_ms: number; readonly compute_ms: number };
  readonly decode: { readonly queue_ms: number; readonly compute_ms: number };
}

/** `arrived`: a reading of `performance.now()`; `before`: from then until the first phase began; seconds, as in `phases`. */
export function timingsOf(
  arrived: number,
  before: number,
  phases: Readonly<Record<RequestPhase, number>>,
  sequences: readonly SequenceTrace[],
): Timings {
  const times = sequences.map((sequence) => sequence.times());
  const sinceLast = (one: SequenceTimes): number => one.sinceLast ?? Infinity;
  const [last] = [...times].sort((a, b) => sinceLast(a) - sinceLast(b));
  const { prefill, decode, pauses, rerouting, route } = last ?? NEVER_RAN;
  const ofStage = ({ stages }: RoundSums, appId: string) => {
    const { queue, compute } = stages.get(appId) ?? { queue: 0, compute: 0 };
    return { queue_ms: toMs(queue), compute_ms: toMs(compute) };
  };
  return {
    total_ms: toMs((performance.now() - arrived) / 1000),
    tokenize_ms: toMs(phases.tokenize),
    queue_ms: toMs(phases.admission),
    route_ms: toMs(phases.route),
    prefill_ms: toMs(prefill.roundTrip),
    decode_ms: toMs(decode.roundTrip),
    gateway_ms: toMs(before + pauses),
    reroute_ms: toMs(rerouting),
    decode_rounds: decode.rounds,
    stages: route.map(({ appId, replica }) => ({
      stage: appId,
      replica,
      prefill: ofStage(prefill, appId),
      decode: ofStage(decode, appId),
    })),
    hops: { prefill_ms: toMs(hopsOf(prefill)), decode_ms: toMs(hopsOf(decode)) },
  };
}

/** The value of a `Server-Timing` header: an entry for each part, and the total. */
export function serverTiming(timings: Timings): string {
  const { stages, hops } = timings;
  const entries: [string, number][] = [
    ['total', timings.total_ms],
    ['tokenize', timings.tokenize_ms],
    ['queue', timings.queue_ms],
    ['route', timings.route_ms],
    ...stages.map(({ stage, prefill, decode }): [string, number] => [
      stage,
      prefill.queue_ms + prefill.compute_ms + decode.queue_ms + decode.compute_ms,
    ]),
    ['hops', hops.prefill_ms + hops.decode_ms],
    ['gateway', timings.gateway_ms],
    ['reroute', timings.reroute_ms],
  ];
  return entries.map(([name, ms]) => `${name};dur=${rounded(ms)}`).join(', ');
}

const NEVER_RAN: SequenceTimes = {
  prefill: new RoundSums(),
  decode: new RoundSums(),
  pauses: 0,
  rerouting: 0,
  sinceLast: null,
  route: [],
};

/** Clocks of several processes are rounded each for itself: never below zero. */
const hopsOf = ({ roundTrip, stages }: RoundSums): number =>
  Math.max(0, roundTrip - [...stages.values()].reduce((sum, { queue, compute }) => sum + queue + compute, 0));

const toMs = (seconds: number): number => rounded(seconds * 1000);
const rounded = (ms: number): number => Math.round(ms * 1000) / 1000;
