import { stageRanges } from '../../lib/model/split.js';
import type { Measured } from './measure.js';
import { predict, type Prediction } from './predict.js';

/** Layers and the head in the same unit of work. */
export interface LayerCosts {
  readonly layers: number;
  readonly layer: number;
  readonly head: number;
}

export interface SplitPrediction extends Prediction {
  readonly split: readonly number[];
}

/**
 * The split in which the busiest stage is as little busy as can be, if each stage's processors go on at the pace
 * that they had per unit of work; null when that is the present one.
 */
export function predictSplit(
  measured: Measured,
  present: readonly number[],
  costs: LayerCosts,
): SplitPrediction | null {
  const works = worksOf(present, costs);
  const pace = measured.stages.map(({ utilisation }, stage) => utilisation / works[stage]!);
  let best = { split: [...present], busiest: Math.max(...pace.map((each, stage) => each * works[stage]!)) };
  for (const split of neighbours(present, costs.layers)) {
    const busiest = Math.max(...worksOf(split, costs).map((work, stage) => work * pace[stage]!));
    if (busiest < best.busiest * (1 - 1e-9)) best = { split, busiest };
  }
  if (best.split.join() === present.join()) return null;
  const after = worksOf(best.split, costs);
  const changes = works.map((work, stage) => ({ replicas: 0, work: after[stage]! / work }));
  return { split: best.split, ...predict(measured, changes) };
}

function worksOf(split: readonly number[], { layers, layer, head }: LayerCosts): number[] {
  return stageRanges(split, layers).map(
    ({ start, end }) => (end - start) * layer + (end === layers ? head : 0),
  );
}

/** All splits of as many stages, where they are few; else those that move one boundary. */
function* neighbours(split: readonly number[], layers: number): Generator<number[]> {
  if (split.length <= 3) {
    yield* splitsFrom(1, split.length, layers);
    return;
  }
  for (const [index, boundary] of split.entries()) {
    const [low, high] = [split[index - 1] ?? 0, split[index + 1] ?? layers];
    for (let moved = low + 1; moved < high; moved++) {
      if (moved !== boundary) yield split.with(index, moved);
    }
  }
}

function* splitsFrom(start: number, boundaries: number, layers: number): Generator<number[]> {
  if (boundaries === 0) {
    yield [];
    return;
  }
  for (let boundary = start; boundary <= layers - boundaries; boundary++) {
    for (const rest of splitsFrom(boundary + 1, boundaries - 1, layers)) yield [boundary, ...rest];
  }
}
