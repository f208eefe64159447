import type { RequestSummary } from '../../gateway/telemetry/request-record.js';
import type { Timings } from '../../gateway/telemetry/timings.js';
import type { RoundView, RouteView, StageView } from '../../gateway/telemetry/round-trail.js';
import { digits } from '../parts/format.js';

/** What a piece of time was spent on. */
export type Kind = 'gateway' | 'compute' | 'queue' | 'hop' | 'reroute';

/** A piece of a lane, ms since the request came. */
export interface Bar {
  readonly kind: Kind;
  readonly start: number;
  readonly length: number;
  readonly label: string;
}

export interface Lane {
  readonly name: string;
  readonly bars: readonly Bar[];
}

export interface Part {
  readonly name: string;
  readonly kind: Kind;
  readonly ms: number;
}

/** The parts of a request's whole time, in the order in which they come first; they sum to `total_ms`. */
export function partsOf(timings: Timings): Part[] {
  const { stages, hops } = timings;
  const parts: Part[] = [
    { name: 'tokenize', kind: 'gateway', ms: timings.tokenize_ms },
    { name: 'admission', kind: 'queue', ms: timings.queue_ms },
    { name: 'route', kind: 'gateway', ms: timings.route_ms },
    ...stages.flatMap(({ stage, prefill, decode }): Part[] => [
      { name: `${stage} computing`, kind: 'compute', ms: prefill.compute_ms + decode.compute_ms },
      { name: `${stage} waiting`, kind: 'queue', ms: prefill.queue_ms + decode.queue_ms },
    ]),
    { name: 'hops', kind: 'hop', ms: hops.prefill_ms + hops.decode_ms },
    { name: 'gateway and client', kind: 'gateway', ms: timings.gateway_ms },
    { name: 'rerouting', kind: 'reroute', ms: timings.reroute_ms },
  ];
  return parts.filter(({ ms }) => ms > 0);
}

/**
 * A lane for the gateway and one for each stage. A round's stages told what they took by their own clocks; what is left of it
 * was on the way, and is drawn in equal pieces before, between and after them, for where it was is not known.
 * `skipped`: rounds in the middle that were not kept, in whose place nothing is drawn.
 */
export function lanesOf(
  timings: Timings,
  rounds: readonly RoundView[],
  routes: readonly RouteView[],
  skipped = 0,
): Lane[] {
  const stages = Math.max(
    0,
    ...rounds.map((round) => round.stages.length),
    ...routes.map(({ hops }) => hops.length),
  );
  const nameOf = (index: number): string => routes.at(-1)?.hops[index]?.appId ?? `stage-${index}`;
  const bars: Bar[][] = Array.from({ length: stages + 1 }, () => []);
  bars[0]!.push(...beforeRounds(timings, rounds[0], routes));
  for (const [number, round] of rounds.entries()) {
    const before = rounds[number - 1];
    const isNext = skipped === 0 || number !== rounds.length / 2;
    if (before !== undefined && isNext) bars[0]!.push(...between(before, round));
    place(round, bars, nameOf);
  }
  return bars.map((each, index) => ({ name: index === 0 ? 'gateway' : nameOf(index - 1), bars: each }));
}

/** Which of all rounds the one at `index` is, where `skipped` between two halves of those kept were not kept. */
export const numberOf = (index: number, kept: number, skipped: number): number =>
  index < kept / 2 ? index : index + skipped;

/** The first round may have been asked for on a later route than the first: what broke before it was no parsing. */
function beforeRounds(timings: Timings, first: RoundView | undefined, routes: readonly RouteView[]): Bar[] {
  const end = first?.start_ms ?? timings.total_ms;
  const routed = first !== undefined && first.route > 0 ? (routes[0]?.start_ms ?? end) : end;
  const start = Math.min(routed, end);
  return [...phases(timings, start), ...(end > start ? [rerouted(start, end)] : [])];
}

function between(before: RoundView, round: RoundView): Bar[] {
  const start = before.start_ms + before.total_ms;
  const length = round.start_ms - start;
  if (length <= 0) return [];
  if (round.route !== before.route) return [rerouted(start, round.start_ms)];
  return [{ kind: 'gateway', start, length, label: 'the gateway or its client has the token' }];
}

const rerouted = (start: number, end: number): Bar => ({
  kind: 'reroute',
  start,
  length: end - start,
  label: 'it goes over to another route',
});

/** What comes before the first round, one after the other. */
function phases(timings: Timings, until: number): Bar[] {
  const parts: [string, Kind, number][] = [
    ['tokenize', 'gateway', timings.tokenize_ms],
    ['admission', 'queue', timings.queue_ms],
    ['route', 'gateway', timings.route_ms],
  ];
  // Parsing comes before them.
  let start = Math.max(0, until - parts.reduce((sum, [, , length]) => sum + length, 0));
  const first: Bar[] = start === 0 ? [] : [{ kind: 'gateway', start: 0, length: start, label: 'parsing' }];
  for (const [label, kind, length] of parts) {
    if (length > 0) first.push({ kind, start, length, label });
    start += length;
  }
  return first;
}

function place(round: RoundView, bars: Bar[][], nameOf: (index: number) => string): void {
  const taken = round.stages.reduce((sum, { queue_ms, compute_ms }) => sum + queue_ms + compute_ms, 0);
  const hop = Math.max(0, round.total_ms - taken) / (round.stages.length + 1);
  const what = round.phase === 'prefill' ? 'prompt' : round.tokens > 1 ? `${round.tokens} tokens` : 'token';
  let at = round.start_ms + hop;
  for (const [index, stage] of round.stages.entries()) {
    const lane = bars[index + 1]!;
    const add = (kind: Kind, start: number, end: number, label: string): void => {
      if (end - start > SMALLEST_MS) lane.push({ kind, start, length: end - start, label });
    };
    const left = at + stage.queue_ms + stage.compute_ms;
    for (const { start, end, name } of stepsOf(stage, at, left, what)) {
      add('queue', at, start, `${nameOf(index)}: ${name} waits`);
      add('compute', start, end, `${nameOf(index)}: ${name} computed`);
      at = Math.max(at, end);
    }
    at = left + hop;
  }
}

/** Less is what rounding leaves. */
const SMALLEST_MS = 1e-6;

interface Step {
  readonly start: number;
  readonly end: number;
  readonly name: string;
}

/**
 * The steps of a round in one stage, where its last rows came at `came` and which they left at `left`: one, and of a prompt in
 * chunks one for each. Those before the last may have been over when it came; it waited for the others.
 */
function stepsOf({ compute_ms, chunks = [] }: StageView, came: number, left: number, what: string): Step[] {
  const count = chunks.length + 1;
  const before = chunks.map(({ rows, compute_ms: length, ago_ms }, index): Step => {
    const name = `${what}, chunk ${index + 1} of ${count} with ${rows} rows,`;
    return { start: left - ago_ms - length, end: left - ago_ms, name };
  });
  const ofThem = before.reduce((sum, { start, end }) => sum + Math.max(0, end - Math.max(start, came)), 0);
  const name = count === 1 ? what : `${what}, its last chunk,`;
  return [...before, { start: left - Math.max(0, compute_ms - ofThem), end: left, name }];
}

/** A row of figures for each chunk of a prompt but the last; of a stage that took it in others, none. */
export function chunkRows({ stages }: RoundView): { rows: number; computed: (number | null)[] }[] {
  const longest = stages.map(({ chunks = [] }) => chunks).reduce((a, b) => (b.length > a.length ? b : a), []);
  return longest.map(({ rows }, index) => ({
    rows,
    computed: stages.map(({ chunks = [] }) =>
      chunks.length === longest.length ? chunks[index]!.compute_ms : null,
    ),
  }));
}

/** After the first token. */
export function rateOf({ output_tokens, ttft_ms, total_ms }: RequestSummary): string {
  if (ttft_ms === null || output_tokens < 2 || total_ms <= ttft_ms) return '–';
  return digits(((output_tokens - 1) / (total_ms - ttft_ms)) * 1000);
}
