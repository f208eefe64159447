import { timePerOutputToken, timeToFirstToken } from '../measure/latency.js';
import { percentile, spread, type Spread } from '../measure/statistics.js';
import { throughputOf, type Trial } from '../trial.js';

/** One arm beside another under one load: each figure is a ratio within a round, and its spread over the rounds. */
export interface Ratio {
  readonly output: Spread | null;
  readonly ttft: Spread | null;
  readonly tpot: Spread | null;
}

export function ratioOf(arm: readonly Trial[], base: readonly Trial[]): Ratio {
  const pairs = arm.flatMap((trial) => {
    const other = base.find(({ round }) => round === trial.round);
    return other === undefined ? [] : [[trial, other] as const];
  });
  const of = (figure: (trial: Trial) => number | null): Spread | null =>
    spread(
      pairs.flatMap(([trial, other]) => {
        const [value, against] = [figure(trial), figure(other)];
        return value === null || against === null || against === 0 ? [] : [value / against];
      }),
    );
  return {
    output: of(throughputOf),
    ttft: of(median(timeToFirstToken)),
    tpot: of(median(timePerOutputToken)),
  };
}

const median =
  (of: (record: Trial['records'][number]) => number | null) =>
  ({ records }: Trial): number | null =>
    percentile(
      records.flatMap((record) => of(record) ?? []),
      50,
    );
