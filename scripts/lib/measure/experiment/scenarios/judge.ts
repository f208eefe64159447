import { figure } from '../../../cli/tables.js';
import { kneeOf, sharesOf, type Knee } from '../../figures/goodput.js';
import { percentile } from '../../figures/statistics.js';
import { timePerOutputToken, timeToFirstToken, type Latency } from '../../figures/requests.js';
import type { Arm } from '../arm.js';
import { LIMITS, type Expectation, type Outcome, type ScenarioResults, type Verdict } from '../scenario.js';
import { mostDevices } from '../fleets.js';

/** An arm under loads that differ in the seed only. */
export interface Cell {
  readonly arm: Arm;
  readonly group: string;
}

/** Those of all seeds that count. */
export const outcomesOf = ({ outcomes }: ScenarioResults, { arm, group }: Cell): Outcome[] =>
  outcomes.filter((outcome) => outcome.arm.name === arm.name && outcome.load.group === group);

/** Of all seeds together; null where nothing was run. */
export function kneeOfCell(
  results: ScenarioResults,
  cell: Cell,
  side: 'measured' | 'simulated',
): Knee | null {
  const own = outcomesOf(results, cell);
  const levels = own[0]?.load.levels ?? [];
  const records = own.flatMap((outcome) => outcome[side].records);
  return kneeOf(sharesOf(records, levels, LIMITS.server));
}

/** Requests a second and device at the knee, and how it reads; null where nothing was run. */
export function carried(results: ScenarioResults, cell: Cell): { rate: number; text: string } | null {
  const knee = kneeOfCell(results, cell, 'measured');
  if (knee === null) return null;
  const rate = knee.rate / mostDevices(cell.arm);
  const bound = { below: '< ', above: '> ' };
  return { rate, text: `${knee.outside === null ? '' : bound[knee.outside]}${figure(rate)}` };
}

const NOT_RUN: Verdict = { right: null, seen: 'not run' };

/** Judged by how many times as many requests a device the one cell carries as the other. */
export const byKnees = (
  { id, text }: Pick<Expectation, 'id' | 'text'>,
  cell: Cell,
  against: Cell,
  isRight: (ratio: number) => boolean,
): Expectation => ({
  id,
  text,
  judge: (results) => {
    const [one, other] = [carried(results, cell), carried(results, against)];
    if (one === null || other === null) return NOT_RUN;
    const ratio = one.rate / other.rate;
    const seen = `${one.text} against ${other.text} requests/s and device, ${figure(ratio)} times`;
    return { right: isRight(ratio), seen };
  },
});

/** Judged by figures of several cells; null where one of them was not run. */
export const by = (
  { id, text }: Pick<Expectation, 'id' | 'text'>,
  judge: (results: ScenarioResults) => Verdict | null,
): Expectation => ({ id, text, judge: (results) => judge(results) ?? NOT_RUN });

/** Median of a latency over requests of a kind, of all seeds, milliseconds. */
export function medianOf(results: ScenarioResults, cell: Cell, of: Latency, kind?: string): number | null {
  const records = outcomesOf(results, cell).flatMap(({ measured }) => measured.records);
  const own = records.filter((record) => kind === undefined || record.kind === kind);
  return percentile(
    own.flatMap((record) => of(record) ?? []),
    50,
  );
}

export const ttftOf = (results: ScenarioResults, cell: Cell, kind?: string): number | null =>
  medianOf(results, cell, timeToFirstToken, kind);

export const tpotOf = (results: ScenarioResults, cell: Cell, kind?: string): number | null =>
  medianOf(results, cell, timePerOutputToken, kind);
