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
  const busiest = Math.max(...measured.stages.map(({ utilisation }) => utilisation));
  const best = leastBusy(pace, costs);
  if (best.busiest >= busiest * (1 - 1e-9)) return null;
  const after = worksOf(best.split, costs);
  const changes = works.map((work, stage) => ({ replicas: 0, work: after[stage]! / work }));
  return { split: best.split, ...predict(measured, changes) };
}

function worksOf(split: readonly number[], costs: LayerCosts): number[] {
  return stageRanges(split, costs.layers).map(({ start, end }) => workOf(start, end, costs));
}

const workOf = (start: number, end: number, { layers, layer, head }: LayerCosts): number =>
  (end - start) * layer + (end === layers ? head : 0);

/** The first stages, and how busy the busiest of them is. */
interface FirstStages {
  readonly split: readonly number[];
  readonly busiest: number;
}

/**
 * Of all splits into as many stages as have a pace, the one whose busiest stage is the least busy. Stage by stage only the best
 * way to end at each layer is gone on with: all splits of a deep model into many stages would keep a gateway from its answers.
 */
function leastBusy(pace: readonly number[], costs: LayerCosts): FirstStages {
  let ways = new Map<number, FirstStages>([[0, { split: [], busiest: 0 }]]);
  for (const [stage, each] of pace.entries()) {
    const further = pace.length - 1 - stage;
    const longer = new Map<number, FirstStages>();
    for (const [start, { split, busiest }] of ways) {
      // Each further stage has a layer at least, and the last has all that are left.
      const first = further === 0 ? costs.layers : start + 1;
      for (let end = first; end <= costs.layers - further; end++) {
        const busy = Math.max(busiest, workOf(start, end, costs) * each);
        if (busy >= (longer.get(end)?.busiest ?? Infinity)) continue;
        longer.set(end, { split: stage === 0 ? split : [...split, start], busiest: busy });
      }
    }
    ways = longer;
  }
  return ways.get(costs.layers)!;
}
