import type { Arm, StageBounds } from '../experiment/arm.js';
import type { PriceList } from '../experiment/prices.js';
import type { PodLife, Trial } from '../experiment/types.js';
import type { RequestRecord } from '../types.js';
import { REQUIRED } from './goodput.js';
import { meets, type ServiceLevel } from './requests.js';
import { sum } from './statistics.js';

/** A pod as whoever pays for its device sees it; without a device it is of the gateway, and free. */
type PaidLife = Pick<PodLife, 'created'> & {
  readonly ended?: number | null;
  readonly device?: string | null;
};

type PaidTrial = Pick<Trial, 'startedAt' | 'records' | 'observations'> & {
  readonly lives: readonly PaidLife[];
};

/**
 * Seconds of each kind of device that were paid for: from a pod's creation to its deletion, so loading and idling are
 * paid as well, within the trial.
 */
export function deviceSeconds({ startedAt, records, observations, lives }: PaidTrial): Map<string, number> {
  const lastToken = Math.max(0, ...records.map(({ sent, tokens }) => tokens.at(-1) ?? sent));
  const over = Math.max(startedAt + lastToken, observations.at(-1)?.at ?? 0);
  const seconds = new Map<string, number>();
  for (const { device, created, ended } of lives) {
    if (!device) continue;
    const paid = Math.max(0, Math.min(ended ?? over, over) - Math.max(created, startedAt)) / 1000;
    seconds.set(device, (seconds.get(device) ?? 0) + paid);
  }
  return seconds;
}

/** Dollars; null where the list does not have all of the devices. */
export function dollarsOf(seconds: ReadonlyMap<string, number>, { usdPerHour }: PriceList): number | null {
  const parts = [...seconds].map(([device, paid]) => (usdPerHour[device] ?? NaN) * (paid / 3_600));
  const dollars = sum(parts);
  return Number.isNaN(dollars) ? null : dollars;
}

/** The devices that an arm may hold at most, one for each replica. */
export const devicesOf = ({ stages }: Pick<Arm, 'stages'>): string[] =>
  stages.flatMap(({ device, max, more = [] }: StageBounds) =>
    device === undefined ? [] : [...Array<string>(max).fill(device), ...more],
  );

/** Seconds of a window in which it is seen whether enough requests keep the limits. */
const WINDOW = 5;

/**
 * Seconds in which fewer of the requests sent than are required kept the limits, by windows of five; one in which
 * nothing was sent violates nothing.
 */
export function violationSeconds(
  records: readonly RequestRecord[],
  limits: ServiceLevel,
  required = REQUIRED,
): number {
  const windows = new Map<number, { sent: number; kept: number }>();
  for (const record of records) {
    const index = Math.floor(record.sent / 1000 / WINDOW);
    const window = windows.get(index) ?? { sent: 0, kept: 0 };
    windows.set(index, {
      sent: window.sent + 1,
      kept: window.kept + (meets(limits, record) ? 1 : 0),
    });
  }
  return WINDOW * [...windows.values()].filter(({ sent, kept }) => kept / sent < required).length;
}
