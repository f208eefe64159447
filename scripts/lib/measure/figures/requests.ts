import type { RequestRecord } from '../types.js';
import { percentile, percentiles, sum, type Percentiles } from './statistics.js';

type Times = Pick<RequestRecord, 'sent' | 'tokens'>;
type Records = { readonly records: readonly RequestRecord[] };
/** Of one request, milliseconds; null where it has none. */
export type Latency = (record: RequestRecord) => number | null;

/** Time to first token, ms: from sending to the first chunk that has a token. Null when there was none. */
export function timeToFirstToken({ sent, tokens }: Times): number | null {
  return tokens.length === 0 ? null : tokens[0]! - sent;
}

/** Time to the last token, ms. Null when there was none. */
export function timeToLastToken({ sent, tokens }: Times): number | null {
  return tokens.length === 0 ? null : tokens.at(-1)! - sent;
}

/**
 * Time per output token, ms: the mean gap after the first token, (E2E − TTFT) / (tokens − 1). Null below two
 * tokens.
 */
export function timePerOutputToken({ tokens }: Times): number | null {
  return tokens.length < 2 ? null : (tokens.at(-1)! - tokens[0]!) / (tokens.length - 1);
}

/**
 * Inter-token latencies, ms: every gap between tokens, so that a stall shows that a mean would hide. Tokens that
 * arrive together, as guesses that were right do, have none between them: as in vLLM's benchmark, else a server
 * that speculates would have a median of 0.
 */
export function interTokenLatencies({ tokens }: Times): number[] {
  return gapsBetween(tokens).map(({ from, to }) => to - from);
}

/** From one arrival to the next, as often as there was one. */
function gapsBetween(times: readonly number[]): { readonly from: number; readonly to: number }[] {
  return times
    .slice(1)
    .map((to, index) => ({ from: times[index]!, to }))
    .filter(({ from, to }) => to > from);
}

/** The percentile `p` of a latency over some requests; null where none has it. */
export const latencyAt = ({ records }: Records, of: Latency, p: number): number | null =>
  percentile(valuesOf(records, of), p);

export const latencies = ({ records }: Records, of: Latency): Percentiles | null =>
  percentiles(valuesOf(records, of));

const valuesOf = (records: readonly RequestRecord[], of: Latency): number[] =>
  records.flatMap((record) => of(record) ?? []);

/** The requests of each kind, in the order in which the kinds came first. */
export const byKind = (records: readonly RequestRecord[]): { kind: string; records: RequestRecord[] }[] =>
  [...new Set(records.map(({ kind }) => kind))].map((kind) => ({
    kind,
    records: records.filter((record) => record.kind === kind),
  }));

export const failedOf = ({ records }: Records): RequestRecord[] =>
  records.filter(({ error }) => error !== null);

/** What a user must get for a request to count, milliseconds. */
export interface ServiceLevel {
  readonly ttft: number;
  readonly tpot: number;
}

/** Whether a request was answered in full and within both bounds (DistServe, OSDI '24). */
export function meets({ ttft, tpot }: ServiceLevel, record: RequestRecord): boolean {
  const first = timeToFirstToken(record);
  return (
    record.error === null && first !== null && first <= ttft && (timePerOutputToken(record) ?? 0) <= tpot
  );
}

/** From the first request's sending to the last token, seconds. */
export function durationOf({ records }: Records): number {
  const sent = records.map((record) => record.sent);
  const last = records.map(({ sent: at, tokens }) => tokens.at(-1) ?? at);
  return records.length === 0 ? 0 : (Math.max(...last) - Math.min(...sent)) / 1000;
}

/** Tokens that arrived, also those of requests that broke off. */
export const outputTokensOf = ({ records }: Records): number =>
  sum(records.map(({ tokens }) => tokens.length));

export const promptTokensOf = ({ records }: Records): number =>
  sum(records.map(({ promptTokens }) => promptTokens));

/** Output tokens a second; 0 when nothing came. */
export function throughputOf(trial: Records): number {
  const duration = durationOf(trial);
  return duration === 0 ? 0 : outputTokensOf(trial) / duration;
}

/** Prompt and output tokens a second, of the prompts that were taken in. */
export function totalThroughputOf(trial: Records): number {
  const duration = durationOf(trial);
  const taken = { records: trial.records.filter(({ tokens }) => tokens.length > 0) };
  return duration === 0 ? 0 : (outputTokensOf(trial) + promptTokensOf(taken)) / duration;
}

/** What a long prompt does to requests that run, and they to it; milliseconds. */
export interface InjectionEffect {
  /** Median gap of the running requests over all their tokens. */
  readonly runningP50: number;
  /** 99th percentile of their gaps that overlap the time from the prompt's sending to its first token. */
  readonly disturbedP99: number;
  readonly aloneTtft: number;
  readonly injectedTtft: number;
}

/** Null when a part of the workload has failed. */
export function injectionEffect(records: readonly RequestRecord[]): InjectionEffect | null {
  const running = records.filter(({ kind }) => kind === 'running');
  const [alone, injected] = ['alone', 'injected'].map((kind) => records.find((each) => each.kind === kind));
  if (alone === undefined || injected === undefined) return null;
  const [aloneTtft, injectedTtft] = [timeToFirstToken(alone), timeToFirstToken(injected)];
  const runningP50 = percentile(running.flatMap(interTokenLatencies), 50);
  if (aloneTtft === null || injectedTtft === null || runningP50 === null) return null;
  const [sent, answered] = [injected.sent, injected.tokens[0]!];
  const disturbed = running
    .flatMap(({ tokens }) => gapsBetween(tokens))
    .filter(({ from, to }) => to > sent && from < answered);
  const disturbedP99 = percentile(
    disturbed.map(({ from, to }) => to - from),
    99,
  );
  return disturbedP99 === null ? null : { runningP50, disturbedP99, aloneTtft, injectedTtft };
}
