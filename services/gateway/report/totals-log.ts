import type { StepTotals } from '../../lib/wire/gen/stage_pb.js';
import { LONGEST_WINDOW } from './round-log.js';

/** What a replica has done since it started, as its last status told. */
export type Totals = Omit<StepTotals, '$typeName' | '$unknown'>;

export interface ReplicaTotals {
  readonly appId: string;
  readonly replica: string;
  /** Who owns the processors that it computes on, and how many they are. */
  readonly processors: { readonly owner: string; readonly count: number };
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

/**
 * Readings of all replicas' totals, once a second, for differences over a window. A status may be seconds old, so
 * the time that a difference spans is that of the replica's own clock. Pure; seconds.
 */
export class TotalsLog {
  readonly #readings: Reading[] = [];

  add(replicas: readonly ReplicaTotals[], now: number): void {
    this.#readings.push({ at: now, replicas });
    while (this.#readings[0]!.at < now - LONGEST_WINDOW - 1) this.#readings.shift();
  }

  /** What the replicas that are there now have done in the last so many seconds, or since they came. */
  window(seconds: number): ReplicaWindow[] {
    const last = this.#readings.at(-1);
    if (last === undefined) return [];
    const first = this.#readings.find(({ at }) => at >= last.at - seconds) ?? last;
    return last.replicas.map((now) => {
      const then = first.replicas.find(({ replica }) => replica === now.replica);
      return {
        ...now,
        ever: { prefill: now.prefill, decode: now.decode },
        prefill: difference(now.prefill, then?.prefill ?? NO_STEPS),
        decode: difference(now.decode, then?.decode ?? NO_STEPS),
      };
    });
  }
}

export const NO_STEPS: Totals = {
  steps: 0,
  parts: 0,
  busySeconds: 0,
  queueSeconds: 0,
  partsSquared: 0,
  partsBySeconds: 0,
  processorSeconds: 0,
  uptimeSeconds: 0,
};

const FIELDS = Object.keys(NO_STEPS) as (keyof Totals)[];

const difference = (now: Totals, then: Totals): Totals => combine((field) => now[field] - then[field]);

export const sumOf = (totals: readonly Totals[]): Totals =>
  combine((field) => totals.reduce((sum, each) => sum + each[field], 0));

function combine(value: (field: keyof Totals) => number): Totals {
  return Object.fromEntries(FIELDS.map((field) => [field, value(field)])) as unknown as Totals;
}
