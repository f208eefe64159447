import type { Usage } from './measure/watch.js';
import type { RequestRecord } from './types.js';

/** One arm under one load in one round. */
export interface Trial {
  readonly arm: string;
  readonly load: string;
  /** Counts from 1. */
  readonly round: number;
  readonly records: readonly RequestRecord[];
  readonly usage: Usage;
}

/** From the first request's sending to the last token, seconds. */
export function durationOf({ records }: Pick<Trial, 'records'>): number {
  const sent = records.map((record) => record.sent);
  const last = records.map(({ sent: at, tokens }) => tokens.at(-1) ?? at);
  return records.length === 0 ? 0 : (Math.max(...last) - Math.min(...sent)) / 1000;
}

/** Tokens that arrived, also those of requests that broke off. */
export const outputTokensOf = ({ records }: Pick<Trial, 'records'>): number =>
  records.reduce((total, { tokens }) => total + tokens.length, 0);

/** Output tokens a second; 0 when nothing came. */
export function throughputOf(trial: Pick<Trial, 'records'>): number {
  const duration = durationOf(trial);
  return duration === 0 ? 0 : outputTokensOf(trial) / duration;
}

/** Prompt and output tokens a second, of the prompts that were taken in. */
export function totalThroughputOf(trial: Pick<Trial, 'records'>): number {
  const duration = durationOf(trial);
  const prompts = trial.records.filter(({ tokens }) => tokens.length > 0);
  const promptTokens = prompts.reduce((total, { promptTokens: count }) => total + count, 0);
  return duration === 0 ? 0 : (outputTokensOf(trial) + promptTokens) / duration;
}
