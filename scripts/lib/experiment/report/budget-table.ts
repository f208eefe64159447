import { figure, table } from '../../bench/report/table.js';
import { throughputOf } from '../../bench/trial.js';
import { mostMilliCpu } from '../arms.js';
import type { ArmResults } from '../measure-arms.js';
import { tokenCosts } from '../measure/capacity.js';
import type { Arm, Plan } from '../types.js';

/** What each arm may spend, and that it is the same. */
export function budgetTable({ arms }: Pick<ArmResults, 'arms'>, plan: Plan): string {
  const rows = arms.map((arm) => [
    `${arm.name}: ${arm.title}`,
    arm.stages.map(replicas).join(', '),
    `${mostMilliCpu(arm, plan)}m`,
  ]);
  const head = ['arm', 'replicas × CPU limit of the service', 'most CPU limits in all, sidecars included'];
  return table(head, rows);
}

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
