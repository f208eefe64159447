import { isSweep, kneeOf, kneeSpread, sharesOf, type Knee } from '../../figures/goodput.js';
import { devicesOf } from '../../figures/device-costs.js';
import { sum } from '../../figures/statistics.js';
import type { PlannedRequest } from '../../types.js';
import { isScaled } from '../arm.js';
import type { Outcome } from '../scenario.js';
import { HOP_NAMES, WHOLE, type MapCell } from '../simulate/map.js';

/** What differs by no more is the same. */
export const TIE = 0.05;

/** The cells of one arm on one device for one length, by hop, and the whole model beside them. */
export interface MapLine extends Pick<
  MapCell,
  'shape' | 'device' | 'memoryGB' | 'arm' | 'stages' | 'prompt' | 'output'
> {
  readonly whole: MapCell | null;
  readonly cells: readonly MapCell[];
}

const isAt = (one: MapCell, other: MapCell): boolean =>
  one.shape === other.shape &&
  one.device === other.device &&
  one.prompt === other.prompt &&
  one.output === other.output &&
  one.scale === other.scale;

/** Every other arm of the map, unscaled, in the order of its first cell. */
export function linesOf(map: readonly MapCell[]): MapLine[] {
  const lines: (MapLine & { cells: MapCell[] })[] = [];
  for (const cell of map.filter(({ scale, arm }) => scale === 1 && arm !== WHOLE)) {
    const line = lines.find(({ cells: [first] }) => isAt(first!, cell) && first!.arm === cell.arm);
    if (line !== undefined) {
      line.cells.push(cell);
      continue;
    }
    const whole = map.find((other) => other.arm === WHOLE && isAt(other, cell)) ?? null;
    lines.push({ ...cell, whole, cells: [cell] });
  }
  for (const { cells } of lines) cells.sort((one, other) => one.hopMs - other.hopMs);
  return lines;
}

/** Up to which hop a split serves as much per device as the whole model, by straight lines between the cells. */
type PaysUpTo =
  | { readonly hop: 'any'; readonly why: 'whole does not fit' }
  | { readonly hop: 'none' | 'beyond' }
  | { readonly hop: number };

export function paysUpTo({ cells }: Pick<MapLine, 'cells'>): PaysUpTo {
  if (cells.some(({ ratioToWhole, kneePerDevice }) => ratioToWhole === null && kneePerDevice > 0)) {
    return { hop: 'any', why: 'whole does not fit' };
  }
  const ratios = cells.map(({ ratioToWhole }) => ratioToWhole ?? 0);
  const worse = ratios.findIndex((ratio) => ratio < 1);
  if (worse === -1) return { hop: 'beyond' };
  if (worse === 0) return { hop: 'none' };
  const [before, after] = [cells[worse - 1]!, cells[worse]!];
  const way = (ratios[worse - 1]! - 1) / (ratios[worse - 1]! - ratios[worse]!);
  return { hop: before.hopMs + way * (after.hopMs - before.hopMs) };
}

/** Whether another way would be the better one, were the modelled times what they are in another scale of the map. */
export function turns(cell: MapCell, map: readonly MapCell[]): boolean {
  const scaled = map.filter(
    (other) =>
      other.scale !== 1 &&
      other.arm === cell.arm &&
      other.hopMs === cell.hopMs &&
      isAt({ ...other, scale: 1 }, cell),
  );
  return scaled.some(({ ratioToWhole: ratio }) => {
    if (ratio === null || cell.ratioToWhole === null) return ratio !== cell.ratioToWhole;
    return ratio > 1 !== cell.ratioToWhole > 1 && Math.abs(ratio - 1) > TIE;
  });
}

/** A place of the map that was run as well. */
export interface MapRun {
  readonly cell: MapCell;
  /** Over the seeds, requests a second and device. */
  readonly measured: Knee;
  readonly seeds: number;
}

/** How far lengths of a run may be from those of a cell. */
const NEAR = 0.15;
const isNear = (one: number, other: number): boolean => Math.abs(one - other) <= NEAR * other;

/** The places that were run, by arms of fixed replicas on one kind of device, with the median knee of their seeds. */
export function runsOn(map: readonly MapCell[], outcomes: readonly Outcome[]): MapRun[] {
  const unscaled = map.filter(({ scale, kneePerDevice }) => scale === 1 && kneePerDevice > 0);
  return unscaled.flatMap((cell): MapRun[] => {
    const own = outcomes.filter((outcome) => isOf(outcome, cell));
    const knees = own.map(({ arm, load, measured }) => {
      const knee = kneeOf(sharesOf(measured.records, load.levels, load.limits));
      return knee && { ...knee, rate: knee.rate / devicesOf(arm).length };
    });
    const measured = kneeSpread(knees)?.median;
    return measured === undefined ? [] : [{ cell, measured, seeds: own.length }];
  });
}

function isOf({ arm, load }: Outcome, cell: MapCell): boolean {
  const { emulated, stages, mesh } = arm;
  const devices = new Set(devicesOf(arm));
  return (
    emulated?.shape === cell.shape &&
    !isScaled(arm) &&
    stages.length === cell.stages &&
    devices.size === 1 &&
    devices.has(cell.device) &&
    new Set(stages.map(({ max, more }) => max + (more?.length ?? 0))).size === 1 &&
    (cell.stages === 1 ? cell.arm === WHOLE : cell.hopName === HOP_NAMES[mesh]) &&
    isSweep(load.levels) &&
    isNear(meanOf(load.arrivals, 'promptTokens'), cell.prompt) &&
    isNear(meanOf(load.arrivals, 'outputTokens'), cell.output)
  );
}

/** NaN of none, which is near nothing. */
const meanOf = (requests: readonly PlannedRequest[], of: 'promptTokens' | 'outputTokens'): number =>
  sum(requests.map((request) => request[of])) / requests.length;
