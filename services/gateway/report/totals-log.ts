import { NO_STEPS, type Totals } from '../../lib/wire/step-totals.js';
import { LONGEST_WINDOW } from './round-log.js';

/** What a replica has done since it started, as its last status told. */
export interface ReplicaTotals {
  readonly appId: string;
  readonly replica: string;
  /** Who owns the processors that it computes on, and how many they are. */
  readonly processors: { readonly owner: string; readonly count: number };
  /** Between idle processes, seconds; the last is 0 in the head. */
  readonly hops: { readonly fromGateway: number; readonly toNext: number };
  readonly prefill: Totals;
  readonly decode: Totals;
}

export interface ReplicaWindow extends ReplicaTotals {
  /** Since the replica started: more kinds of steps than a window may hold. */
  readonly ever: { readonly prefill: Totals; readonly decode: Totals };
}

interface Reading {
  readonly at: number;
  readonly replicas: readonly ReplicaTotals[];
}

/** Readings that are closer are one: whoever asks for reports all the time would fill the log. Seconds. */
const CLOSEST = 0.5;

/**
 * Readings of all replicas' totals, once a second, for differences over a window. A status may be seconds old, so
 * the time that a difference spans is that of the replica's own clock. Pure; seconds.
 */
export class TotalsLog {
  readonly #readings: Reading[] = [];

  /** Of readings that are kept. */
  get length(): number {
    return this.#readings.length;
  }

  add(replicas: readonly ReplicaTotals[], now: number): void {
    const reading = { at: now, replicas };
    const [last, before] = [this.#readings.at(-1), this.#readings.at(-2)];
    if (last !== undefined && !isContinued(last, reading)) {
      // No window that ends from now on begins before this.
      this.#readings.length = 0;
    } else if (before !== undefined && now - before.at < CLOSEST) {
      this.#readings.pop();
    }
    this.#readings.push(reading);
    while (this.#readings[0]!.at < now - LONGEST_WINDOW - 1) this.#readings.shift();
  }

  /**
   * What the replicas have done in the last so many seconds; less where some have come, gone or started again
   * meanwhile: then since that. Null before there are two readings of the same replicas.
   */
  window(seconds: number): { readonly seconds: number; readonly replicas: readonly ReplicaWindow[] } | null {
    const last = this.#readings.at(-1);
    if (last === undefined) return null;
    const first = this.#readings.find(({ at }) => at >= last.at - seconds)!;
    if (first === last) return null;
    const before = byName(first.replicas);
    return {
      seconds: last.at - first.at,
      replicas: last.replicas.map((now) => {
        const then = before.get(nameOf(now))!;
        return {
          ...now,
          ever: { prefill: now.prefill, decode: now.decode },
          prefill: difference(now.prefill, then.prefill),
          decode: difference(now.decode, then.decode),
        };
      }),
    };
  }
}

const nameOf = ({ appId, replica }: ReplicaTotals): string => `${appId}/${replica}`;

const byName = (replicas: readonly ReplicaTotals[]): ReadonlyMap<string, ReplicaTotals> =>
  new Map(replicas.map((each) => [nameOf(each), each]));

/** The same replicas, none of which has started again: a container that did keeps its name. */
function isContinued(before: Reading, after: Reading): boolean {
  if (before.replicas.length !== after.replicas.length) return false;
  const now = byName(after.replicas);
  return before.replicas.every(
    (then) => then.decode.uptimeSeconds <= (now.get(nameOf(then))?.decode.uptimeSeconds ?? -Infinity),
  );
}

const FIELDS = Object.keys(NO_STEPS) as (keyof Totals)[];

/** What came between two sums. */
export const difference = (now: Totals, then: Totals): Totals => combine((field) => now[field] - then[field]);

export const sumOf = (totals: readonly Totals[]): Totals =>
  combine((field) => totals.reduce((sum, each) => sum + each[field], 0));

function combine(value: (field: keyof Totals) => number): Totals {
  return Object.fromEntries(FIELDS.map((field) => [field, value(field)])) as unknown as Totals;
}
