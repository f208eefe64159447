import { figure, NONE, percent, table, tally } from '../../../cli/tables.js';
import { devicesOf } from '../../figures/device-costs.js';
import {
  isSweep,
  kneeOf,
  kneeSpread,
  kneeText,
  sharesOf,
  type Knee,
  type KneeSpread,
} from '../../figures/goodput.js';
import { COLORS, lineChart, type Series } from '../../figures/line-chart.js';
import { failedOf, latencyAt, timePerOutputToken, timeToFirstToken } from '../../figures/requests.js';
import { spread, sum } from '../../figures/statistics.js';
import type { RequestRecord } from '../../types.js';
import type { Arm } from '../arm.js';
import { scaledResults } from '../scaled-results.js';
import { type Outcome, type ScenarioLoad, type ScenarioResults } from '../scenario.js';
import { REASONS } from './reasons.js';
import { scalingSection } from './scaling-section.js';
import { paragraphs, shown, type Figure, type PageSection } from './section.js';

/** One scenario: its question, what was expected and what came, the knees, and how replicas followed the load. */
export function scenarioSection(results: ScenarioResults): PageSection {
  const { scenario, outcomes } = results;
  const groups = groupsOf(outcomes);
  const swept = groups.filter(({ levels }) => isSweep(levels));
  const figures = new Map(swept.map((group) => [`${scenario.name}-${group.name}`, shareFigure(group)]));
  const scaling = scalingSection(results);
  const text = paragraphs(
    scenario.question,
    armsTable(results),
    expectationsTable(results),
    reasonsText(results),
    ...swept.map(kneeTable),
    ...shown(figures),
    ...groups.filter((group) => !swept.includes(group)).map(levelTable),
    scaling.text,
    voidsText(results),
  );
  return { text, figures: new Map([...figures, ...scaling.figures]) };
}

/** The loads that differ in nothing but the seed, and what each arm made of them. */
interface LoadGroup {
  readonly name: string;
  readonly limits: ScenarioLoad['limits'];
  readonly levels: ScenarioLoad['levels'];
  /** Each with levels of its own: all arms are tried around what is expected of them. */
  readonly arms: readonly {
    readonly arm: Arm;
    readonly levels: ScenarioLoad['levels'];
    readonly outcomes: readonly Outcome[];
  }[];
}

function groupsOf(outcomes: readonly Outcome[]): LoadGroup[] {
  return [...new Set(outcomes.map(({ load }) => load.group))].map((name) => {
    const own = outcomes.filter(({ load }) => load.group === name);
    const arms = [...new Map(own.map(({ arm }) => [arm.name, arm])).values()];
    return {
      name,
      limits: own[0]!.load.limits,
      levels: [
        ...new Map(own.flatMap(({ load }) => load.levels.map((level) => [level.name, level]))).values(),
      ],
      arms: arms.map((arm) => {
        const outcomes = own.filter((each) => each.arm.name === arm.name);
        return { arm, levels: outcomes[0]!.load.levels, outcomes };
      }),
    };
  });
}

function armsTable({ scenario }: ScenarioResults): string {
  const rows = scenario.runs.map(({ arm, loads, kills }) => [
    arm.name,
    arm.title,
    devicesText(arm),
    arm.mesh,
    String(arm.emulated?.dilation ?? NONE),
    [...new Set(loads.map(({ group }) => group))].join(', '),
    kills === undefined || kills.length === 0
      ? NONE
      : kills.map(({ stage, at }) => `${stage} at ${at} s`).join(', '),
  ]);
  const head = ['arm', 'what it is', 'devices at most', 'mesh', 'dilation', 'loads', 'kills'];
  return table(head, rows);
}

function devicesText(arm: Arm): string {
  const devices = devicesOf(arm);
  return [...new Set(devices)]
    .map((device) => `${devices.filter((each) => each === device).length} × ${device}`)
    .join(', ');
}

/** `**wrong**` is what a reader looks for; nothing is right that was not run, or was not tried far enough. */
const VERDICTS = new Map<boolean | null, string>([
  [true, 'right'],
  [false, '**wrong**'],
  [null, 'open'],
]);

/** All that is modelled so many times as long: does it still come out as it did? */
const SCALES = [0.8, 1, 1.2];

function expectationsTable(results: ScenarioResults): string {
  const scaled = SCALES.map((scale) => scaledResults(results, scale));
  const rows = results.scenario.expectations.map((expectation) => {
    const { right, seen } = expectation.judge(results);
    const others = scaled.map((each) => VERDICTS.get(expectation.judge(each).right)!);
    return [expectation.id, expectation.text, VERDICTS.get(right)!, seen, others.join(', ')].map(oneCell);
  });
  const head = ['', 'expected before it was run', 'it was', 'seen', `simulated at × ${SCALES.join(', ')}`];
  return rows.length === 0 ? '' : table(head, rows);
}

/** What is thought of those that came out wrong. */
function reasonsText(results: ScenarioResults): string {
  const wrong = results.scenario.expectations.filter((each) => each.judge(results).right === false);
  const lines = wrong.flatMap(({ id }) => (REASONS.has(id) ? [`- **${id}**: ${REASONS.get(id)!}`] : []));
  return lines.length === 0 ? '' : `Why (written after the runs):\n\n${lines.join('\n')}`;
}

const oneCell = (content: string): string => content.replaceAll('|', '\\|').replaceAll('\n', ' ');

type Side = 'measured' | 'simulated';

const kneesOf = (outcomes: readonly Outcome[], side: Side, required?: number): KneeSpread | null =>
  kneeSpread(
    outcomes.map(({ load, ...outcome }) =>
      kneeOf(sharesOf(outcome[side].records, load.levels, load.limits), required),
    ),
  );

function kneeTable({ name, limits, arms }: LoadGroup): string {
  const rows = arms.map(({ arm, levels, outcomes }) => {
    const measured = kneesOf(outcomes, 'measured');
    const simulated = kneesOf(outcomes, 'simulated');
    const records = outcomes.flatMap((outcome) => outcome.measured.records);
    const at = (rate: number): RequestRecord[] => {
      const level = levels.findLast((each) => each.rate <= rate) ?? levels[0]!;
      return records.filter(({ kind }) => kind === level.name);
    };
    const [light, full] = [at(0), at(measured?.median.rate ?? 0)];
    return [
      arm.name,
      levels.map(({ rate }) => figure(rate)).join(', '),
      String(outcomes.length),
      kneeSpreadText(measured),
      kneeText99(kneesOf(outcomes, 'measured', 0.99)),
      kneeSpreadText(simulated),
      agreement(simulated?.median, measured?.median),
      figure(tokensPerDevice(arm, measured?.median, records)),
      latencyText(light, 50),
      latencyText(full, 99),
      `${failedOf({ records }).length} of ${records.length}`,
    ];
  });
  const head = [
    'arm',
    'levels, requests/s',
    'seeds',
    'knee measured, requests/s',
    'at 99 %',
    'knee simulated',
    'simulated / measured',
    'tokens/s and device at the knee (mixed)',
    'lightest level: TTFT / TPOT p50, ms (mixed)',
    'last level kept: TTFT / TPOT p99, ms (mixed)',
    'failed',
  ];
  return paragraphs(
    `**${name}**: limits TTFT ${limits.ttft} ms, TPOT ${limits.tpot} ms; the median of the seeds (least–most).`,
    table(head, rows),
  );
}

const kneeSpreadText = (knees: KneeSpread | null): string =>
  knees === null ? NONE : `${kneeText(knees.median)} (${kneeText(knees.least)}–${kneeText(knees.most)})`;

const kneeText99 = (knees: KneeSpread | null): string => (knees === null ? NONE : kneeText(knees.median));

const agreement = (simulated: Knee | undefined, measured: Knee | undefined): string =>
  !simulated || !measured || simulated.outside !== null || measured.outside !== null
    ? NONE
    : figure(simulated.rate / measured.rate);

/** What each level of a load that is no sweep was like, in the order in which they come; prompts that are alone, by their length. */
function levelTable({ name, limits, arms, levels }: LoadGroup): string {
  const rows = arms.flatMap(({ arm, outcomes }) =>
    partsOf(levels, outcomes).map((level) => {
      const at = (side: Side): RequestRecord[] =>
        outcomes.flatMap((outcome) => outcome[side].records.filter(({ kind }) => kind === level.name));
      const [measured, simulated] = [at('measured'), at('simulated')];
      const share = sharesOf(measured, [level], limits)[0]?.share ?? null;
      return [
        arm.name,
        `${level.name}, ${figure(level.rate)}`,
        percent(share),
        ...[50, 99].map((p) => latencyText(measured, p)),
        latencyText(simulated, 50),
        `${failedOf({ records: measured }).length} of ${measured.length}`,
      ];
    }),
  );
  const head = [
    'arm',
    'level, requests/s',
    'within the limits',
    'TTFT / TPOT p50, ms (mixed)',
    'p99',
    'p50 simulated',
    'failed',
  ];
  return paragraphs(`**${name}**, all seeds together:`, table(head, rows));
}

/** The levels by which requests are told apart; where they are not, their kinds, which all come at the one level's rate. */
function partsOf(levels: ScenarioLoad['levels'], outcomes: readonly Outcome[]): ScenarioLoad['levels'] {
  const kinds = [...new Set(outcomes.flatMap(({ load }) => load.arrivals.map(({ kind }) => kind)))];
  const level = levels[0]!;
  return levels.some(({ name }) => kinds.includes(name)) ? levels : kinds.map((name) => ({ ...level, name }));
}

function tokensPerDevice(arm: Arm, knee: Knee | undefined, records: readonly RequestRecord[]): number | null {
  const devices = devicesOf(arm).length;
  if (knee === undefined || devices === 0 || records.length === 0) return null;
  return (knee.rate * sum(records.map(({ outputTokens }) => outputTokens))) / records.length / devices;
}

const latencyText = (records: readonly RequestRecord[], p: number): string =>
  [timeToFirstToken, timePerOutputToken].map((of) => figure(latencyAt({ records }, of, p))).join(' / ');

/** The share that keeps the limits at each rate: the median of the seeds, and dashed what was simulated. */
function shareFigure({ name, arms }: LoadGroup): Figure {
  const title = `${name}: share of requests within the limits, by rate`;
  const series = arms.flatMap(({ arm, levels, outcomes }, index): Series[] =>
    (['measured', 'simulated'] as const).map((side) => ({
      name: side === 'measured' ? arm.name : `${arm.name}, simulated`,
      color: COLORS[index % COLORS.length]!,
      dashed: side === 'simulated',
      points: levels.flatMap((level) => {
        const shares = outcomes.flatMap((outcome) =>
          sharesOf(outcome[side].records, [level], outcome.load.limits).map(({ share }) => share),
        );
        const median = spread(shares)?.median;
        return median === undefined ? [] : [{ at: level.rate, value: 100 * median }];
      }),
    })),
  );
  return { title, svg: lineChart({ title, xLabel: 'requests/s', yLabel: '%', series }) };
}

function voidsText({ voids }: ScenarioResults): string {
  if (voids.length === 0) return '';
  const reasons = voids.map(({ arm, reason }) => `${arm.name}: ${reason}`);
  return `Void, and in nothing above:\n\n${tally(reasons).join('\n')}`;
}
