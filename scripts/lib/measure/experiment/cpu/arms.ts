import { sum } from '../../figures/statistics.js';
import type { Arm, StageBounds } from '../arm.js';

/** The budget that every arm may spend, in pods of one size: a service and its sidecar. */
export interface Budget {
  /** Boundaries between the stages of the split arms. */
  readonly split: readonly number[];
  /** CPU limits of a service and of a sidecar, thousandths of a processor. */
  readonly serviceMilliCpu: number;
  readonly sidecarMilliCpu: number;
}

/** Replicas of every stage that the budget holds. */
const SHARE = 2;

export const ARM_NAMES = ['a', 'b', 'c'] as const;
export type ArmName = (typeof ARM_NAMES)[number];

/**
 * The three ways to spend the budget. A whole-model replica is as large as a pod of each stage together. `work` is what
 * a request costs each stage, in any unit: the replicas that `c` may have at most follow it, within the budget.
 */
export function armOf(name: ArmName, budget: Budget, work: readonly number[]): Arm {
  switch (name) {
    case 'a':
      return unsplit(name, 'unsplit, whole-model replicas under an HPA', budget, { min: 1, max: SHARE });
    case 'b':
      return split(name, 'split, fixed replicas', budget, () => ({ min: SHARE, max: SHARE }));
    case 'c': {
      const most = shareOut(work, SHARE * work.length);
      return split(name, 'split, an HPA for each stage', budget, (index) => ({ min: 1, max: most[index]! }));
    }
  }
}

/** One replica of everything, nothing scaled: what one replica can carry is measured on these. */
export const singleArms = (budget: Budget): { readonly a: Arm; readonly c: Arm } => ({
  a: unsplit('one-a', 'one whole-model replica', budget, ONE),
  c: split('one-c', 'one replica of each stage', budget, () => ONE),
});

/** One replica of each stage with room to spare, so that the network tells and not the CPU limits. */
export function networkArm(mesh: Arm['mesh'], budget: Budget): Arm {
  const { split: boundaries, serviceMilliCpu, sidecarMilliCpu } = budget;
  const roomy = {
    split: boundaries,
    serviceMilliCpu: 2 * serviceMilliCpu,
    sidecarMilliCpu: 2 * sidecarMilliCpu,
  };
  return { ...split(`net-${mesh}`, `one replica of each stage over ${mesh}`, roomy, () => ONE), mesh };
}

/** What an arm's pods may take at most in all, thousandths of a processor, sidecars included. */
export const mostMilliCpu = ({ stages }: Arm): number =>
  sum(stages.map(({ max, milliCpu, sidecarMilliCpu }) => max * (milliCpu + sidecarMilliCpu)));

/** Gives each stage one replica, and each one more to the stage that has most work a replica. */
export function shareOut(work: readonly number[], replicas: number): number[] {
  const shares = work.map(() => 1);
  for (let left = replicas - work.length; left > 0; left--) {
    const loads = work.map((each, index) => each / shares[index]!);
    shares[loads.indexOf(Math.max(...loads))]! += 1;
  }
  return shares;
}

type Bounds = Pick<StageBounds, 'min' | 'max'>;

const ONE: Bounds = { min: 1, max: 1 };

/** The one sidecar of a whole-model replica takes the place of one for each stage. */
function unsplit(name: string, title: string, budget: Budget, bounds: Bounds): Arm {
  const { split: boundaries, serviceMilliCpu, sidecarMilliCpu } = budget;
  const milliCpu = (boundaries.length + 1) * serviceMilliCpu + boundaries.length * sidecarMilliCpu;
  return {
    name,
    title,
    split: [],
    stages: [{ name: 'stage-0', ...bounds, milliCpu, sidecarMilliCpu }],
    mesh: 'dapr',
  };
}

function split(name: string, title: string, budget: Budget, bounds: (index: number) => Bounds): Arm {
  const stages = stageNames(budget.split).map((stage, index) => ({
    name: stage,
    ...bounds(index),
    milliCpu: budget.serviceMilliCpu,
    sidecarMilliCpu: budget.sidecarMilliCpu,
  }));
  return { name, title, split: budget.split, stages, mesh: 'dapr' };
}

const stageNames = (boundaries: readonly number[]): string[] => [
  'stage-0',
  ...boundaries.map((_, index) => `stage-${index + 1}`),
];
