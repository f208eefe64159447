import { kneeOf, kneeText, sharesOf, type Knee } from '../../figures/goodput.js';
import { percentile } from '../../figures/statistics.js';
import { timePerOutputToken, timeToFirstToken, type Latency } from '../../figures/requests.js';
import type { Arm } from '../arm.js';
import {
  SERVER_LIMITS,
  type Expectation,
  type Outcome,
  type ScenarioResults,
  type Verdict,
} from '../scenario.js';
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
  const { levels = [], limits = SERVER_LIMITS } = own[0]?.load ?? {};
  const records = own.flatMap((outcome) => outcome[side].records);
  return kneeOf(sharesOf(records, levels, limits));
}

/** Requests a second and device at the knee; null where nothing was run. */
export function carried(results: ScenarioResults, cell: Cell): Knee | null {
  const knee = kneeOfCell(results, cell, 'measured');
  return knee && { ...knee, rate: knee.rate / mostDevices(cell.arm) };
}

/** How many times the one knee is of the other. Where they were not found it is no more than a bound; null where it is not even that. */
export function ratioOf(one: Knee, other: Knee): Knee | null {
  const sides = [one.outside, other.outside && OPPOSITE[other.outside]].filter((side) => side !== null);
  const [outside = null] = sides;
  return new Set(sides).size > 1 ? null : { rate: one.rate / other.rate, outside };
}

const OPPOSITE = { below: 'above', above: 'below' } as const;

/** Whether a value is right, of which there may be no more than a bound; null where right and wrong lie beyond it. */
export function decided({ rate, outside }: Knee, isRight: (value: number) => boolean): boolean | null {
  const way = outside === 'above' ? STRIDE : 1 / STRIDE;
  const beyond = Array.from({ length: outside === null ? 1 : STRIDES }, (_, index) => rate * way ** index);
  const first = isRight(rate);
  return beyond.every((value) => isRight(value) === first) ? first : null;
}

/** Whether all are right: false as soon as one is wrong, null where what is left is not decided. */
export const all = (verdicts: readonly (boolean | null)[]): boolean | null =>
  verdicts.includes(false) ? false : verdicts.includes(null) ? null : true;

/** How finely, and up to a hundredfold, it is looked for what lies beyond a bound. */
const STRIDE = 1.05;
const STRIDES = 100;

const NOT_RUN: Verdict = { right: null, seen: 'not run' };
/** Both beyond the rates that were tried, on the same side. */
export const NOT_FOUND: Verdict = { right: null, seen: 'neither knee is among the rates tried' };

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
    const ratio = ratioOf(one, other);
    if (ratio === null) return NOT_FOUND;
    const seen = `${kneeText(one)} against ${kneeText(other)} requests/s and device, ${kneeText(ratio)} times`;
    return { right: decided(ratio, isRight), seen };
  },
});

/** Judged by figures of several cells; null where one of them was not run. */
export const by = (
  { id, text }: Pick<Expectation, 'id' | 'text'>,
  judge: (results: ScenarioResults) => Verdict | null,
): Expectation => ({ id, text, judge: (results) => judge(results) ?? NOT_RUN });

/** Median of a latency over requests of a kind, of all seeds, milliseconds. */
function medianOf(results: ScenarioResults, cell: Cell, of: Latency, kind?: string): number | null {
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
