import { figure, table } from '../cli/tables.js';
import { percentiles, type Percentiles } from '../measure/figures/statistics.js';
import { leftovers, type Census } from './census.js';
import type { FaultKind } from './plan.js';

/**
 * How a request ended: answered as it had to be; refused as it had to be, for what it was or for the flood it was part
 * of; left by its own client; failed though its client did nothing for it; or answered with another text.
 */
export type Ending = 'answered' | 'refused' | 'left' | 'failed' | 'changed';

/** What became of the requests of one kind. */
export type Endings = Readonly<Record<Ending, number>> & {
  readonly kind: string;
  /** Why some failed or what changed, the first few of them. */
  readonly reasons: readonly string[];
};

const MOST_REASONS = 8;
const NONE: Readonly<Record<Ending, number>> = { answered: 0, refused: 0, left: 0, failed: 0, changed: 0 };

/** Counts how requests end. */
export class Ledger {
  readonly #kinds = new Map<string, Endings>();

  add(kind: string, ending: Ending, reason?: string): void {
    const known = this.#kinds.get(kind) ?? { kind, ...NONE, reasons: [] };
    const isNew =
      reason !== undefined && known.reasons.length < MOST_REASONS && !known.reasons.includes(reason);
    this.#kinds.set(kind, {
      ...known,
      [ending]: known[ending] + 1,
      reasons: isNew ? [...known.reasons, reason] : known.reasons,
    });
  }

  get endings(): Endings[] {
    return [...this.#kinds.values()];
  }
}

/** What was seen of a run. */
export interface Observed {
  readonly seed: number;
  /** Seconds. */
  readonly duration: number;
  readonly faults: readonly { readonly kind: FaultKind; readonly planned: number; readonly done: number }[];
  readonly endings: readonly Endings[];
  /** The longest silence within each undisturbed client's stream, milliseconds. */
  readonly pauses: readonly number[];
  /** What `/health` took each time, milliseconds, and how often it did not answer. */
  readonly health: readonly number[];
  readonly healthFailures: number;
  /** What this process itself was late by: that much of the times above is its own. Milliseconds. */
  readonly ownDelay: number;
  /** What has not come back after a fault. */
  readonly unrecovered: readonly string[];
  readonly before: Census;
  readonly after: Census;
}

/** The kind of clients that behave well. */
export const GOOD = 'good';

/** A line for every rule that a run has broken. */
export function brokenRules(observed: Observed): string[] {
  const { endings, healthFailures, health, unrecovered, before, after } = observed;
  const requests = endings.flatMap(({ kind, failed, changed, reasons }) => [
    ...(failed > 0 ? [`${failed} ${kind} requests failed by no fault of theirs: ${reasons.join('; ')}`] : []),
    ...(changed > 0
      ? [`${changed} ${kind} requests were answered with another text: ${reasons.join('; ')}`]
      : []),
  ]);
  const answered = endings.find(({ kind }) => kind === GOOD)?.answered ?? 0;
  return [
    ...requests,
    ...(answered === 0 ? ['no request was answered'] : []),
    ...(healthFailures > 0
      ? [`/health did not answer ${healthFailures} of ${health.length + healthFailures} times`]
      : []),
    ...unrecovered,
    ...leftovers(before, after),
  ];
}

/** What `--json` writes: all that was seen, times as percentiles. */
export function reportJson(observed: Observed): string {
  const { health, pauses, ...rest } = observed;
  const times = { health: percentiles(health), pauses: percentiles(pauses) };
  return `${JSON.stringify({ broken: brokenRules(observed), ...times, ...rest }, null, 1)}\n`;
}

export function reportText(observed: Observed): string {
  const { seed, duration, endings, faults, pauses, health, ownDelay, before, after } = observed;
  const broken = brokenRules(observed);
  const done = faults.map(({ kind, planned, done: count }) => `${kind} ${count}/${planned}`).join(', ');
  return [
    `Faults of seed ${seed} in ${duration} s, done/planned: ${done}`,
    requestsTable(endings),
    `/health: ${latency(percentiles(health))}; pauses in streams: ${latency(percentiles(pauses))}; this process was ` +
      `late by ${figure(ownDelay)} ms (p99)`,
    processesTable(before, after),
    broken.length === 0
      ? 'Nothing failed, changed or was left behind.'
      : broken.map((line) => `✗ ${line}`).join('\n'),
  ].join('\n\n');
}

function latency(of: Percentiles | null): string {
  return of === null ? 'none' : `p50 ${figure(of.p50)} ms, p99 ${figure(of.p99)} ms`;
}

function requestsTable(endings: readonly Endings[]): string {
  const columns = ['answered', 'refused', 'left', 'failed', 'changed'] as const;
  return table(
    ['requests', ...columns],
    endings.map((row) => [row.kind, ...columns.map((column) => String(row[column]))]),
  );
}

/** Before → after. */
function processesTable(before: Census, after: Census): string {
  const columns = ['sockets', 'pipes', 'files', 'others', 'threads'] as const;
  return table(
    ['process', ...columns, 'RSS MiB'],
    before.processes.map((row) => {
      const later = after.processes.find(({ name }) => name === row.name);
      const pair = (one: number, other: number | undefined): string => `${one} → ${other ?? '–'}`;
      const mebibytes = (bytes: number): number => Math.round(bytes / 2 ** 20);
      return [
        row.name,
        ...columns.map((column) => pair(row[column], later?.[column])),
        pair(mebibytes(row.rssBytes), later && mebibytes(later.rssBytes)),
      ];
    }),
  );
}
