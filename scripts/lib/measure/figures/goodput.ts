import { figure } from '../../cli/tables.js';
import type { Level } from '../experiment/scenario.js';
import type { RequestRecord } from '../types.js';
import { byKind, meets, type ServiceLevel } from './requests.js';

/** What became of the requests of one level of load. */
export interface LevelShare extends Level {
  readonly requests: number;
  /** Of them, those that kept the limits; what failed kept none. */
  readonly share: number;
}

/** By level, rising; a level of which nothing was sent is left out. */
export function sharesOf(
  records: readonly RequestRecord[],
  levels: readonly Level[],
  limits: ServiceLevel,
): LevelShare[] {
  const groups = new Map(byKind(records).map((group) => [group.kind, group.records]));
  return levels
    .flatMap((level) => {
      const own = groups.get(level.name) ?? [];
      const kept = own.filter((record) => meets(limits, record)).length;
      return own.length === 0 ? [] : [{ ...level, requests: own.length, share: kept / own.length }];
    })
    .sort((one, other) => one.rate - other.rate);
}

/** Whether a load tries rates one after the other, enough of them to find a knee. */
export const isSweep = (levels: readonly Level[]): boolean =>
  levels.length >= 3 && levels.every(({ rate }, index) => index === 0 || rate > levels[index - 1]!.rate);

/** The highest rate that is served well, requests a second. */
export interface Knee {
  readonly rate: number;
  /** Where it is not between two levels that were tried: `below` the lowest of them, or `above` the highest. */
  readonly outside: 'below' | 'above' | null;
}

const OUTSIDE = { below: '< ', above: '> ' };

export const kneeText = ({ rate, outside }: Knee): string =>
  `${outside === null ? '' : OUTSIDE[outside]}${figure(rate)}`;

/** DistServe (OSDI '24) asks for nine of ten requests, and for 99 of a hundred. */
export const REQUIRED = 0.9;

/**
 * The rate at which the share that keeps the limits first falls below what is required, on the straight line between the
 * levels before and after. What a level beyond that happens to keep does not count. Null where no level was tried.
 */
export function kneeOf(shares: readonly LevelShare[], required = REQUIRED): Knee | null {
  if (shares.length === 0) return null;
  const failed = shares.findIndex(({ share }) => share < required);
  if (failed === -1) return { rate: shares.at(-1)!.rate, outside: 'above' };
  if (failed === 0) return { rate: shares[0]!.rate, outside: 'below' };
  const [before, after] = [shares[failed - 1]!, shares[failed]!];
  const way = (before.share - required) / (before.share - after.share);
  return { rate: before.rate + way * (after.rate - before.rate), outside: null };
}

/** Of several seeds. */
export interface KneeSpread {
  readonly least: Knee;
  readonly median: Knee;
  readonly most: Knee;
}

const SIDES = { below: -1, within: 0, above: 1 };
const sideOf = ({ outside }: Knee): number => SIDES[outside ?? 'within'];

/** Of an even number the median is the lower of the two in the middle, which was seen. Null of none. */
export function kneeSpread(knees: readonly (Knee | null)[]): KneeSpread | null {
  const sorted = knees
    .filter((knee) => knee !== null)
    .sort((one, other) => one.rate - other.rate || sideOf(one) - sideOf(other));
  if (sorted.length === 0) return null;
  return { least: sorted[0]!, median: sorted[(sorted.length - 1) >> 1]!, most: sorted.at(-1)! };
}
