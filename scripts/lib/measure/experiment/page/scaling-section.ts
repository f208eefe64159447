import { table } from '../../../cli/tables.js';
import { deviceSeconds, dollarsOf, violationSeconds } from '../../figures/device-costs.js';
import { COLORS, lineChart, type Series } from '../../figures/line-chart.js';
import { REACTION_PARTS, reactionParts, reactionsOf } from '../../figures/reaction.js';
import { meets, outputTokensOf } from '../../figures/requests.js';
import { spread, spreadText, sum } from '../../figures/statistics.js';
import { isScaled } from '../arm.js';
import { priceListOf, type PriceList } from '../prices.js';
import { type Level, type Outcome, type ScenarioResults } from '../scenario.js';
import { paragraphs, shown, type Figure, type PageSection } from './section.js';

/** How replicas followed a load that rises, and what that cost; empty where no arm scales. */
export function scalingSection({ scenario, outcomes }: ScenarioResults): PageSection {
  const scaled = outcomes.filter(({ arm }) => isScaled(arm));
  if (scaled.length === 0) return { text: '', figures: new Map() };
  const figures = new Map(
    firstSeeds(scaled).map((outcome) => [
      `${scenario.name}-${outcome.load.group}-replicas-${outcome.arm.name}`,
      replicasFigure(outcome),
    ]),
  );
  const text = paragraphs(costTable(outcomes), reactionTable(scaled), ...shown(figures));
  return { text, figures };
}

const firstSeeds = (outcomes: readonly Outcome[]): Outcome[] =>
  outcomes.filter(
    ({ arm, load }, index) =>
      outcomes.findIndex((each) => each.arm.name === arm.name && each.load.group === load.group) === index,
  );

/** Of each arm under each load, over its seeds. */
function sameRuns(outcomes: readonly Outcome[]): { readonly name: string[]; readonly runs: Outcome[] }[] {
  const keys = new Map(outcomes.map(({ arm, load }) => [`${load.group} ${arm.name}`, { arm, load }]));
  return [...keys.values()].map(({ arm, load }) => ({
    name: [load.group, arm.name],
    runs: outcomes.filter((each) => each.arm.name === arm.name && each.load.group === load.group),
  }));
}

const over = (runs: readonly Outcome[], of: (outcome: Outcome) => number | null): string =>
  spreadText(spread(runs.flatMap((run) => of(run) ?? [])));

/** What all arms paid, fixed ones too, for they are what those that scale are compared with. */
function costTable(outcomes: readonly Outcome[]): string {
  const devices = outcomes.flatMap(({ measured }) => [...deviceSeconds(measured).keys()]);
  const prices = priceListOf(new Set(devices));
  const kept = ({ load, measured }: Outcome): number =>
    outputTokensOf({ records: measured.records.filter((record) => meets(load.limits, record)) });
  const rows = sameRuns(outcomes).map(({ name, runs }) => [
    ...name,
    over(runs, ({ load, measured }) => violationSeconds(measured.records, load.limits)),
    over(runs, ({ load, simulated }) => violationSeconds(simulated.records, load.limits)),
    over(runs, ({ measured }) => sum([...deviceSeconds(measured).values()])),
    over(runs, (run) => perDollar(run, outputTokensOf(run.measured), prices)),
    over(runs, (run) => perDollar(run, kept(run), prices)),
  ]);
  const head = [
    'load',
    'arm',
    'seconds of violation (mixed)',
    'simulated',
    'device seconds paid (measured)',
    'tokens per dollar (mixed)',
    'within the limits',
  ];
  return paragraphs(
    table(head, rows),
    prices === null ? 'No price list has all of these devices.' : `Prices: ${prices.name}, ${prices.read}.`,
  );
}

function perDollar({ measured }: Outcome, tokens: number, prices: PriceList | null): number | null {
  const dollars = prices && dollarsOf(deviceSeconds(measured), prices);
  return dollars === null || dollars === 0 ? null : tokens / dollars;
}

/** Seconds after which the load rises for the first time; null where it does not. */
export function risesAt(levels: readonly Level[]): number | null {
  const index = levels.findIndex(({ rate }, at) => at > 0 && rate > levels[at - 1]!.rate);
  return index === -1 ? null : sum(levels.slice(0, index).map(({ duration }) => duration));
}

function reactionTable(outcomes: readonly Outcome[]): string {
  const rows = sameRuns(outcomes).flatMap(({ name, runs }) => {
    const reactions = runs.flatMap(({ measured, load }) => {
      const rise = risesAt(load.levels);
      return rise === null ? [] : reactionsOf(measured, measured.startedAt + rise * 1000);
    });
    return [...new Set(reactions.map(({ app }) => app))].map((app) => {
      const own = reactions.filter((reaction) => reaction.app === app).map(reactionParts);
      const parts = REACTION_PARTS.map((_, part) =>
        spreadText(spread(own.flatMap((each) => each[part] ?? []))),
      );
      return [...name, app, ...parts];
    });
  });
  if (rows.length === 0) return 'No replica was added while a load rose.';
  return table(['load', 'arm', 'stage', ...REACTION_PARTS.map((name) => `${name}, s`)], rows);
}

function replicasFigure({ arm, load, measured }: Outcome): Figure {
  const title = `${load.group}, ${arm.name}: ready replicas of each stage, seed ${load.seed}`;
  const { observations, startedAt } = measured;
  const series = arm.stages.map(({ name }, index): Series => ({
    name,
    color: COLORS[index % COLORS.length]!,
    stepped: true,
    points: observations.flatMap(({ at, scales }) => {
      const scale = scales.find(({ app }) => app === name);
      return scale === undefined ? [] : [{ at: (at - startedAt) / 1000, value: scale.ready }];
    }),
  }));
  return {
    title,
    svg: lineChart({ title, xLabel: 's since the load began', yLabel: 'replicas', series }),
  };
}
