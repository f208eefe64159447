import { figure, NONE, percent, table } from '../../cli/tables.js';
import { machineText, type Machine } from '../page.js';
import { sum, type Spread } from '../figures/statistics.js';
import { BOUNDS, type Bound } from './bounds.js';
import { STAGES, type SimulatedSize } from './simulate.js';
import type { StoreModel } from './simulated-store.js';
import type { KindFigures, SystemFigures } from './system-figures.js';

/** What docs/scale.md is made of; each run adds what it has measured. */
export interface ScaleFigures {
  readonly systems: readonly Measured<{ readonly figures: SystemFigures }>[];
  readonly simulations: readonly Measured<{
    readonly store: StoreModel;
    readonly sizes: readonly SimulatedSize[];
  }>[];
}

export type Measured<Figures> = Figures & {
  readonly date: string;
  readonly version: string;
  readonly command: string;
  readonly machine: Machine;
  /** What serves, or what has been changed. */
  readonly label: string;
};

/** The results as Markdown; nothing of it is written by hand. */
export function resultsOf({ systems, simulations }: ScaleFigures): string {
  const latest = simulations.at(-1);
  return [
    '### Systems of one machine',
    ...systems.map((each) => systemText(each)),
    ...(latest === undefined
      ? []
      : [
          '### Simulated',
          `${latest.date.slice(0, 10)}, ${latest.version}; ${machineText(latest.machine)}. \`${latest.command}\``,
          boundsTable(latest.sizes),
          'Where each bound is passed first, by what the mesh was like:',
          historyTable(simulations),
        ]),
  ].join('\n\n');
}

function systemText({
  date,
  version,
  command,
  machine,
  label,
  figures,
}: ScaleFigures['systems'][number]): string {
  const { size, mesh, kinds, startSeconds, links, store, answer, topologyBytes, metrics } = figures;
  const { stages, replicas } = size;
  const total = (of: (kind: KindFigures) => Spread): number =>
    sum(kinds.map((kind) => of(kind).median * kind.count));
  const facts = [
    ['until it serves', `${startSeconds.toFixed(0)} s`],
    ['memory of all processes (PSS)', megabytes(total(({ pssBytes }) => pssBytes))],
    ['processors that all take, idle', total(({ idleShare }) => idleShare).toFixed(2)],
    ['links held', String(links.held)],
    ['streams opened to invite callers', String(links.invitations)],
    ['requests to the state store', store === null ? NONE : `${store.operations.toFixed(0)} a second`],
    ['of them writes that came too late', store === null ? NONE : `${store.conflicts.toFixed(2)} a second`],
    ['first token of a lone request', `${answer.firstMs.toFixed(0)} ms`],
    ['between two tokens', `${answer.tokenMs.toFixed(1)} ms`],
    ['`/topology`', `${topologyBytes} bytes`],
    ['series in `/metrics`', `${metrics.gatewaySeries} of the gateway, ${metrics.stageSeries} of a stage`],
  ];
  return [
    `#### ${stages} stages of ${replicas}, ${mesh}`,
    `${label}. ${date.slice(0, 10)}, ${version}; ${machineText(machine)}. \`${command}\``,
    table(['processes', 'number', 'RSS', 'PSS', 'of a processor, idle'], kinds.map(kindRow)),
    table(['the whole', ''], facts),
  ].join('\n\n');
}

const kindRow = ({ kind, count, rssBytes, pssBytes, idleShare }: KindFigures): string[] => [
  kind,
  String(count),
  megabytes(rssBytes.median),
  megabytes(pssBytes.median),
  `${(idleShare.median * 100).toFixed(1)} % (at most ${(idleShare.max * 100).toFixed(1)} %)`,
];

const megabytes = (bytes: number): string => `${(bytes / 1e6).toFixed(0)} MB`;

/** What passes its bound is bold. */
function boundsTable(sizes: readonly SimulatedSize[]): string {
  const rows = BOUNDS.map((bound) => [
    bound.name,
    ...sizes.map((size) => cell(bound, size)),
    `${amount(bound.most, bound.unit)}: ${bound.why}`,
  ]);
  return table(
    [`of each of ${STAGES} stages`, ...sizes.map(({ replicas }) => String(replicas)), 'bound'],
    rows,
  );
}

function cell(bound: Bound, size: SimulatedSize): string {
  const value = bound.of(size);
  const text = value === null ? 'never' : amount(value, bound.unit);
  return isPassed(bound, size) ? `**${text}**` : text;
}

function isPassed({ of, most }: Bound, size: SimulatedSize): boolean {
  const value = of(size);
  return value === null || value > most;
}

function amount(value: number, unit: string): string {
  if (unit === 'B' || unit === 'B/s') return `${figure(value / 1e6)} M${unit}`;
  return unit.startsWith('of ')
    ? percent(value)
    : `${Number.isInteger(value) ? value : figure(value)} ${unit}`.trim();
}

const historyTable = (simulations: ScaleFigures['simulations']): string =>
  table(
    ['first passed with so many replicas', ...simulations.map(({ label }) => label)],
    BOUNDS.map((bound) => [
      bound.name,
      ...simulations.map(({ sizes }) => {
        const first = sizes.find((size) => isPassed(bound, size));
        return first === undefined ? `more than ${sizes.at(-1)!.replicas}` : String(first.replicas);
      }),
    ]),
  );
