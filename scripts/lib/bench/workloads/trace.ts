import type { Arrival } from '../types.js';
import { evenTable, valueAt, type QuantileTable } from './quantile-table.js';
import type { Random } from './variates.js';

/**
 * How a generated trace is fitted to a small machine. The shapes are of the Azure LLM inference trace 2023 (CC-BY;
 * Patel et al., "Splitwise", ISCA '24), measured over its two files of one hour each.
 */
export interface TraceOptions {
  /** Mean requests a second; gaps are stretched or pressed together to reach it. */
  readonly rate: number;
  /** Seconds. */
  readonly duration: number;
  /** Lengths are divided by these. */
  readonly promptDivisor: number;
  readonly outputDivisor: number;
  readonly seed: number;
}

/** Token counts: a value every 5 %, and one at 99 % without which the longest 1 % would count for 5 %. */
export function lengthTable(values: readonly number[], p99: number): QuantileTable {
  const table = evenTable(values);
  return [...table.slice(0, -1), [0.99, p99], table.at(-1)!];
}

/** Prompt and output are independent: in the trace their correlation is below 0.11. */
export function withLengths(
  times: readonly number[],
  { prompt, output, kind }: { prompt: QuantileTable; output: QuantileTable; kind: string },
  { promptDivisor, outputDivisor }: TraceOptions,
  random: Random,
): Arrival[] {
  const draw = (table: QuantileTable, divisor: number): number =>
    Math.max(1, Math.round(valueAt(table, random()) / divisor));
  return times.map((at) => ({
    at,
    kind,
    promptTokens: draw(prompt, promptDivisor),
    outputTokens: draw(output, outputDivisor),
  }));
}
