import type { RequestRecord } from '../types.js';
import { gapsBetween, interTokenLatencies, timeToFirstToken } from './latency.js';
import { percentile } from './statistics.js';

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
