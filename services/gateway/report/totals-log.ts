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
  /** What `#places` says, for each replica: the fields of prefill, then those of decode. */
  readonly sums: Float64Array;
}

/** Readings that are closer are one: whoever asks for reports all the time would fill the log. Seconds. */
const CLOSEST = 0.5;

/** Older readings are sparser: a window is shorter than was asked for by at most one part of so many, or by a second. */
const RESOLUTION = 60;
/** Of more replicas readings are the sparser, so that all take up some 20 MB at most. */
const FULL_RESOLUTION_REPLICAS = 256;

/**
 * Readings of all replicas' totals, once a second, for differences over a window. A status may be seconds old, so
 * the time that a difference spans is that of the replica's own clock. Pure; seconds.
 */
export class TotalsLog {
  #readings: Reading[] = [];
  /** The same replicas in all readings: by name, where in a reading they are. */
  #places: ReadonlyMap<string, number> = new Map();
  /** The last reading, as it came. */
  #last: readonly ReplicaTotals[] = [];

  /** Of readings that are kept. */
  get length(): number {
    return this.#readings.length;
  }

  add(replicas: readonly ReplicaTotals[], now: number): void {
    const before = this.#readings.at(-2);
    if (!this.#continues(replicas)) {
      // No window that ends from now on begins before this.
      this.#readings = [];
      this.#places = new Map(replicas.map((each, place) => [nameOf(each), place]));
    } else if (before !== undefined && now - before.at < CLOSEST) {
      this.#readings.pop();
    }
    this.#last = replicas;
    this.#readings.push({ at: now, sums: this.#sumsOf(replicas) });
    this.#thinOut(now);
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
    return {
      seconds: last.at - first.at,
      replicas: this.#last.map((now) => {
        const from = this.#places.get(nameOf(now))! * WIDTH;
        return {
          ...now,
          ever: { prefill: now.prefill, decode: now.decode },
          prefill: difference(now.prefill, totalsAt(first.sums, from)),
          decode: difference(now.decode, totalsAt(first.sums, from + FIELDS.length)),
        };
      }),
    };
  }

  /** The same replicas as in the last reading, none of which has started again: a container that did keeps its name. */
  #continues(replicas: readonly ReplicaTotals[]): boolean {
    const last = this.#readings.at(-1);
    if (last === undefined || replicas.length !== this.#places.size) return false;
    return replicas.every((now) => {
      const place = this.#places.get(nameOf(now));
      return place !== undefined && last.sums[place * WIDTH + UPTIME]! <= now.decode.uptimeSeconds;
    });
  }

  #sumsOf(replicas: readonly ReplicaTotals[]): Float64Array {
    const sums = new Float64Array(replicas.length * WIDTH);
    for (const each of replicas) {
      const from = this.#places.get(nameOf(each))! * WIDTH;
      FIELDS.forEach((field, index) => {
        sums[from + index] = each.prefill[field];
        sums[from + FIELDS.length + index] = each.decode[field];
      });
    }
    return sums;
  }

  /** Drops what no window reaches, and of old readings those whose neighbours are close enough for their age. */
  #thinOut(now: number): void {
    const resolution = Math.min(RESOLUTION, (RESOLUTION * FULL_RESOLUTION_REPLICAS) / this.#places.size);
    const kept: Reading[] = [];
    this.#readings.forEach((reading, index) => {
      const age = now - reading.at;
      if (age > LONGEST_WINDOW + 1) return;
      const [earlier, later] = [kept.at(-1), this.#readings[index + 1]];
      const isNeeded =
        earlier === undefined || later === undefined || (later.at - earlier.at) * resolution > age;
      if (isNeeded) kept.push(reading);
    });
    this.#readings = kept;
  }
}

const nameOf = ({ appId, replica }: ReplicaTotals): string => `${appId}/${replica}`;

const FIELDS = Object.keys(NO_STEPS) as (keyof Totals)[];
/** Numbers of a replica in a reading. */
const WIDTH = 2 * FIELDS.length;
/** Where of these the uptime is by which it is told whether it has started again. */
const UPTIME = FIELDS.length + FIELDS.indexOf('uptimeSeconds');

const totalsAt = (sums: Float64Array, from: number): Totals =>
  Object.fromEntries(FIELDS.map((field, index) => [field, sums[from + index]!])) as unknown as Totals;

/** What came between two sums. */
export const difference = (now: Totals, then: Totals): Totals => combine((field) => now[field] - then[field]);

export const sumOf = (totals: readonly Totals[]): Totals =>
  combine((field) => totals.reduce((sum, each) => sum + each[field], 0));

function combine(value: (field: keyof Totals) => number): Totals {
  return Object.fromEntries(FIELDS.map((field) => [field, value(field)])) as unknown as Totals;
}
