import { mapOf, type MapShape } from './map.js';

/** What a file of `npm run bench -- --json`, `experiment` or `observe` says, read as far as a page draws it. */

/** One arm under one load. Milliseconds; null where nothing came that could be measured. */
export interface MeasuredArm {
  readonly arm: string;
  readonly load: string;
  readonly requests: number;
  readonly failed: number;
  readonly tokensPerSecond: number;
  readonly ttft: number | null;
  readonly ttft95: number | null;
  readonly tpot: number | null;
}

export interface TraceSpan {
  readonly name: string;
  readonly process: string;
  readonly start: number;
  readonly length: number;
}

export type Measured =
  | { readonly kind: 'map'; readonly title: string; readonly shapes: readonly MapShape[] }
  | { readonly kind: 'arms'; readonly title: string; readonly arms: readonly MeasuredArm[] }
  | {
      readonly kind: 'trace';
      readonly title: string;
      readonly spans: readonly TraceSpan[];
      readonly total: number;
    };

interface Row {
  readonly arm: string;
  readonly load: string;
  readonly round: number;
  readonly sent: number;
  readonly tokens: readonly number[];
  readonly error: string | null;
}

/** Throws in words what is wrong with it. */
export function readMeasured(json: string): Measured {
  const file = JSON.parse(json) as Record<string, unknown>;
  if (Array.isArray(file['rows'])) return bench(file);
  if (Array.isArray(file['records'])) return trial(file);
  if (Array.isArray(file['spans'])) return trace(file);
  const shapes = mapOf(file);
  if (shapes !== null) return { kind: 'map', title: 'When a split pays', shapes };
  throw new Error('It is none of what bench, experiment or observe write.');
}

/** Several files as one: arms side by side. Throws where they are of different kinds. */
export function joined(all: readonly Measured[], title: string): Measured {
  const arms = all.flatMap((one) => (one.kind === 'arms' ? one.arms : []));
  if (all.length === 1) return all[0]!;
  if (all.some(({ kind }) => kind !== 'arms'))
    throw new Error('They are of different kinds: open them one by one.');
  return { kind: 'arms', title, arms };
}

function bench(file: Record<string, unknown>): Measured {
  const run = (file['run'] ?? {}) as { model?: string; date?: string };
  const rows = (file['rows'] as Record<string, unknown>[]).map((row): Row => ({
    arm: String(row['arm']),
    load: String(row['load']),
    round: Number(row['round']),
    sent: Number(row['sent_ms']),
    tokens: row['token_ms'] as number[],
    error: row['error'] as string | null,
  }));
  return {
    kind: 'arms',
    title: `${run.model ?? 'bench'}, ${(run.date ?? '').slice(0, 10)}`,
    arms: armsOf(rows),
  };
}

function trial(file: Record<string, unknown>): Measured {
  const [arm, load] = [String(file['arm']), String(file['load'])];
  // An arm's name says how many times as long all that is modelled took.
  const dilation = Number(/-k(\d+)$/.exec(arm)?.[1] ?? 1);
  const rows = (file['records'] as Pick<Row, 'sent' | 'tokens' | 'error'>[]).map(
    ({ sent, tokens, error }): Row => ({
      arm,
      load,
      round: 1,
      sent: sent / dilation,
      tokens: tokens.map((at) => at / dilation),
      error,
    }),
  );
  return { kind: 'arms', title: `${arm}, ${load}`, arms: armsOf(rows) };
}

function armsOf(rows: readonly Row[]): MeasuredArm[] {
  const groups = groupBy(rows, ({ arm, load }) => `${load}\n${arm}`);
  return [...groups.values()].map((group) => {
    const { arm, load } = group[0]!;
    const answered = group.filter(({ error, tokens }) => error === null && tokens.length > 0);
    const firsts = answered.map(({ sent, tokens }) => tokens[0]! - sent);
    const betweens = answered
      .filter(({ tokens }) => tokens.length > 1)
      .map(({ tokens }) => (tokens.at(-1)! - tokens[0]!) / (tokens.length - 1));
    return {
      arm,
      load,
      requests: group.length,
      failed: group.length - answered.length,
      tokensPerSecond: rateOf(answered),
      ttft: quantile(firsts, 0.5),
      ttft95: quantile(firsts, 0.95),
      tpot: quantile(betweens, 0.5),
    };
  });
}

/** Of all rounds together: each begins anew at zero. */
function rateOf(rows: readonly Row[]): number {
  let [tokens, ms] = [0, 0];
  for (const round of groupBy(rows, ({ round: number }) => number).values()) {
    tokens += round.reduce((sum, row) => sum + row.tokens.length, 0);
    ms += Math.max(...round.map((row) => row.tokens.at(-1)!)) - Math.min(...round.map(({ sent }) => sent));
  }
  return ms === 0 ? 0 : (tokens / ms) * 1000;
}

/** As Jaeger's JSON has it, microseconds. */
function trace(file: Record<string, unknown>): Measured {
  const processes = (file['processes'] ?? {}) as Record<string, { serviceName?: string }>;
  const all = (file['spans'] as Record<string, unknown>[]).map((span) => ({
    name: String(span['operationName']),
    process: processes[String(span['processID'])]?.serviceName ?? '',
    start: Number(span['startTime']) / 1000,
    length: Number(span['duration']) / 1000,
  }));
  const first = Math.min(...all.map(({ start }) => start));
  const spans = all
    .map((span) => ({ ...span, start: span.start - first }))
    .sort((one, other) => one.start - other.start);
  const total = Math.max(...spans.map(({ start, length }) => start + length));
  return { kind: 'trace', title: `Trace ${String(file['traceID'])}`, spans, total };
}

function quantile(samples: readonly number[], share: number): number | null {
  if (samples.length === 0) return null;
  const sorted = [...samples].sort((one, other) => one - other);
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))]!;
}

function groupBy<Item, Key>(items: readonly Item[], keyOf: (item: Item) => Key): Map<Key, Item[]> {
  const groups = new Map<Key, Item[]>();
  for (const item of items) {
    const group = groups.get(keyOf(item));
    if (group === undefined) groups.set(keyOf(item), [item]);
    else group.push(item);
  }
  return groups;
}
