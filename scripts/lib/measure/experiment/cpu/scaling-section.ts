import { figure, table } from '../../../cli/tables.js';
import { COLORS, type LineChart, type Series } from '../../figures/line-chart.js';
import { deviation, idealReplicas } from '../../figures/over-time.js';
import { reactionsOf } from '../../figures/reaction.js';
import { shownCharts, type Section } from './load-section.js';
import type { OpenLoad } from './loads.js';
import { costsOfArm, type ArmResults } from './measure.js';
import type { Arm } from '../arm.js';
import type { Trial } from '../types.js';

/** How the replicas of each arm followed the load, and how long the first more of them took. */
export function scalingSection(results: ArmResults): Section {
  const charts = new Map<string, LineChart>();
  const rows: string[][] = [];
  for (const { arm, load, trial } of pairs(results)) {
    const stages = stagesOf(arm, load, trial, results);
    const scaled = stages.filter((stage) => stage.min < stage.max);
    if (scaled.length > 0) charts.set(`${load.name}-replicas-${arm.name}`, replicasChart(arm, load, scaled));
    rows.push(
      ...stages.map(({ name, ready, ideal }) => {
        const { missing, spare } = deviation(ideal, ready);
        const most = Math.max(...ideal.map(({ at }) => ready(at)));
        return [load.name, arm.name, name, String(most), figure(missing), figure(spare)];
      }),
    );
  }
  const head = ['load', 'arm', 'stage', 'most replicas', 'replica seconds missing', 'replica seconds spare'];
  const text = [table(head, rows), ...shownCharts(charts), '### Reaction time', reactionTable(results)];
  return { text: text.join('\n\n'), charts };
}

interface Pair {
  readonly arm: Arm;
  readonly load: OpenLoad;
  readonly trial: Trial;
}

function pairs({ arms, loads, trials }: ArmResults): Pair[] {
  return loads.flatMap((load) =>
    arms.flatMap((arm) => {
      const trial = trials.find((each) => each.arm === arm.name && each.load === load.name);
      return trial === undefined ? [] : [{ arm, load, trial }];
    }),
  );
}

function stagesOf(arm: Arm, load: OpenLoad, trial: Trial, results: ArmResults) {
  const costs = costsOfArm(arm, results);
  return arm.stages.flatMap((bounds) => {
    const cost = costs.find(({ app }) => app === bounds.name);
    if (cost === undefined) return [];
    const ideal = idealReplicas(load.arrivals, cost, { min: 1, max: bounds.max }, load.duration);
    return [{ ...bounds, ideal, ready: (second: number) => readyAt(trial, bounds.name, second) }];
  });
}

/** By the last observation until then. */
function readyAt({ observations, startedAt }: Trial, app: string, second: number): number {
  const seen = observations.findLast(({ at }) => at - startedAt <= second * 1000) ?? observations[0];
  return seen?.scales.find((scale) => scale.app === app)?.ready ?? 0;
}

function replicasChart(arm: Arm, load: OpenLoad, stages: ReturnType<typeof stagesOf>): LineChart {
  const series = stages.flatMap(({ name, ideal, ready }, index): Series[] => {
    const color = COLORS[index % COLORS.length]!;
    return [
      { name, color, stepped: true, points: ideal.map(({ at }) => ({ at, value: ready(at) })) },
      {
        name: `${name}, ideal`,
        color,
        stepped: true,
        dashed: true,
        points: ideal.map(({ at, replicas }) => ({ at, value: replicas })),
      },
    ];
  });
  return {
    title: `${load.name}, ${arm.name}: ready replicas of each stage that scales, and the ideal`,
    xLabel: 's since the load began',
    yLabel: 'replicas',
    series,
  };
}

/** Under the loads that rise at once. */
function reactionTable(results: ArmResults): string {
  const rows = pairs(results).flatMap(({ arm, load, trial }) => {
    if (load.risesAt === null) return [];
    return reactionsOf(trial, trial.startedAt + load.risesAt * 1000).map((reaction) => {
      const { app, breach, visible, decided, scheduled, ready, serving, unused } = reaction;
      const times = [breach, visible, decided, scheduled, ready, serving, unused];
      return [load.name, arm.name, app, ...times.map((ms) => figure(ms === null ? null : ms / 1000))];
    });
  });
  const head = [
    'breach',
    'metric visible',
    'HPA decides',
    'scheduled',
    'ready',
    'first token',
    'serving, but unused',
  ];
  const labels = head.map((name) => `${name}, s`);
  return rows.length === 0
    ? 'No replica was added while a load rose.'
    : table(['load', 'arm', 'stage', ...labels], rows);
}
