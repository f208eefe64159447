import { figure, table } from '../../bench/report/table.js';
import { throughputOf } from '../../bench/trial.js';
import { limitsHeld } from '../measure/costs.js';
import { mostMilliCpu } from '../arms.js';
import type { ArmResults } from '../measure-arms.js';
import { tokenCosts } from '../measure/capacity.js';
import type { Arm, Trial } from '../types.js';

/** What each arm may spend, and that it is the same. */
export function budgetTable({ arms, trials }: Pick<ArmResults, 'arms' | 'trials'>): string {
  const rows = arms.map((arm) => [
    `${arm.name}: ${arm.title}`,
    arm.stages.map(replicas).join(', '),
    `${mostMilliCpu(arm)}m`,
    `${mostSeen(trials.filter((trial) => trial.arm === arm.name))}m`,
  ]);
  const head = [
    'arm',
    'replicas × CPU limit of the service',
    'CPU limits in all, at most',
    'and seen at most',
  ];
  return table(head, rows);
}

/** The gateway has no limit, and is not of the budget. */
const mostSeen = (trials: readonly Trial[]): number =>
  Math.round(1000 * Math.max(0, ...trials.flatMap(({ observations }) => observations.map(limitsHeld))));

const replicas = ({ name, min, max, milliCpu }: Arm['stages'][number]): string =>
  `${name} ${min === max ? min : `${min}–${max}`} × ${milliCpu}m`;

/** What one replica of each stage carries: the load and the ideal follow from it. */
export function capacityTable({ single }: Pick<ArmResults, 'single'>): string {
  const rows = [
    { what: 'whole model', trial: single.a },
    { what: 'split', trial: single.c },
  ].flatMap(({ what, trial }) =>
    tokenCosts(trial).map(({ app, prompt, output }) => [
      what,
      app,
      figure(prompt * 1000),
      figure(output * 1000),
      figure(throughputOf(trial)),
    ]),
  );
  const head = ['engine ms per prompt token', 'engine ms per output token', 'output tokens/s of all'];
  return table(['model', 'stage, one replica', ...head], rows);
}
