import { figure, NONE, percent, table } from '../../../cli/tables.js';
import { heatMap, type HeatCell } from '../../figures/heat-map.js';
import { kneeText } from '../../figures/goodput.js';
import { priceLists, priceRatios } from '../prices.js';
import type { Outcome } from '../scenario.js';
import { answersText } from './answers.js';
import { linesOf, paysUpTo, runsOn, TIE, turns, type MapLine, type MapRun } from './map.js';
import { WHOLE, type MapCell } from '../simulate/map.js';
import { paragraphs, shown, type Figure, type PageSection } from './section.js';

/** What a platform engineer looks up: three answers, the map as a figure and as a table, and how far it was run. */
export function mapSection(map: readonly MapCell[], outcomes: readonly Outcome[]): PageSection {
  const lines = linesOf(map);
  const runs = runsOn(map, outcomes);
  const shapes = [...new Set(lines.map(({ shape }) => shape))];
  const figures = new Map(shapes.map((shape) => [`map-${shape}`, mapFigure(shape, lines, map, runs)]));
  const text = paragraphs(
    answersText(map),
    ...shown(figures),
    readingText(lines),
    ...shapes.map((shape) => mapTable(shape, lines, map, runs)),
    '### Where the map was run',
    agreementText(runs),
    '### Prices',
    pricesText(),
  );
  return { text, figures };
}

const hopsOf = (lines: readonly MapLine[]): MapCell[] => {
  const byHop = new Map(lines.flatMap(({ cells }) => cells.map((cell) => [cell.hopMs, cell])));
  return [...byHop.values()].sort((one, other) => one.hopMs - other.hopMs);
};

const hopText = ({ hopMs, hopName }: MapCell): string =>
  hopName === '' ? `${hopMs} ms` : `${hopMs} ms (${hopName})`;

/** `±` where the better way is another one with the model's times a fifth longer or shorter. */
function cellText(cell: MapCell, map: readonly MapCell[]): string {
  if (cell.kneePerDevice === 0) return NONE;
  const only = cell.stages === 1 ? 'fits' : 'split';
  const ratio = cell.ratioToWhole === null ? only : figure(cell.ratioToWhole);
  return turns(cell, map) ? `${ratio} ±` : ratio;
}

function mapFigure(
  shape: string,
  lines: readonly MapLine[],
  map: readonly MapCell[],
  runs: readonly MapRun[],
): Figure {
  const own = lines.filter((line) => line.shape === shape);
  const rowOf = ({ device, arm }: MapLine | MapCell): string => `${device}, ${arm}`;
  const rows = [...new Set(own.map(rowOf))];
  const prompts = [...new Set(own.map(({ prompt }) => prompt))].sort((one, other) => one - other);
  const hops = hopsOf(own);
  const heatCell = (row: string, prompt: number, hopMs: number): HeatCell | null => {
    const line = own.find((each) => rowOf(each) === row && each.prompt === prompt);
    const cell = line?.cells.find((each) => each.hopMs === hopMs);
    if (cell === undefined || cell.kneePerDevice === 0) return null;
    const framed = runs.some((run) => run.cell === cell);
    return { ratio: cell.ratioToWhole, text: cellText(cell, map), framed };
  };
  const title = `${shape}: what a split serves per device, over what the whole model serves`;
  const svg = heatMap({
    title,
    rows,
    columnLabel: 'columns: hop, ms',
    panels: prompts.map((prompt) => ({
      title: `prompts of ${prompt}`,
      columns: hops.map(({ hopMs }) => String(hopMs)),
      cells: rows.map((row) => hops.map(({ hopMs }) => heatCell(row, prompt, hopMs))),
    })),
  });
  return { title, svg };
}

function readingText(lines: readonly MapLine[]): string {
  if (lines.length === 0) return 'Nothing was simulated.';
  return (
    'How to read it: each number is requests a second and device that the split serves within the limits, over those of the whole ' +
    `model on the same device. Over ${figure(1 + TIE)} split, below ${figure(1 - TIE)} do not, between do what is simpler. "split" stands where ` +
    'the whole model does not fit, "±" where the answer is another one with all modelled step times a fifth longer or shorter. ' +
    '*Pays up to* is the hop at which both serve as much. *Breaks even* is the price line: an A100 of 80 GB must cost more than so many times as ' +
    'much as this device for the split on it to be the cheaper way (put in your own prices). All of it is simulated; what was run stands below.'
  );
}

function mapTable(
  shape: string,
  lines: readonly MapLine[],
  map: readonly MapCell[],
  runs: readonly MapRun[],
): string {
  const own = lines.filter((line) => line.shape === shape);
  const hops = hopsOf(own);
  const rows = own.map((line) => {
    const { prompt, output, device, memoryGB, arm, whole } = line;
    const first = line.cells[0]!;
    const cells = hops.map(({ hopMs }) => {
      const cell = line.cells.find((each) => each.hopMs === hopMs);
      if (cell === undefined) return NONE;
      const mark = runs.some((run) => run.cell === cell) ? '**' : '';
      return `${mark}${cellText(cell, map)}${mark}`;
    });
    return [
      `${prompt} / ${output}`,
      device,
      figure(memoryGB),
      figure(whole && whole.kneePerDevice > 0 ? whole.kneePerDevice : null),
      arm,
      ...cells,
      paysText(line),
      `${figure(whole?.tpotMs ?? null)} → ${figure(first.tpotMs)}`,
      figure(first.breakEvenPriceRatio),
      ratiosText(device),
    ];
  });
  const head = [
    'prompt / output',
    'device',
    'GB',
    'whole, requests/s',
    'split',
    ...hops.map((hop) => `× at ${hopText(hop)}`),
    'pays up to, ms',
    'TPOT whole → split, ms',
    'breaks even at',
    'lists say',
  ];
  return `${shape}; bold: also run; TPOT (at a twentieth of the knee) and price at the shortest hop:\n\n${table(head, rows)}`;
}

function paysText(line: MapLine): string {
  const { hop } = paysUpTo(line);
  if (hop === 'any') return 'any: whole does not fit';
  if (hop === 'none') return 'none';
  return hop === 'beyond' ? `over ${line.cells.at(-1)!.hopMs}` : figure(hop);
}

/** What an A100 of 80 GB costs over this device. */
function ratiosText(device: string): string {
  const ratios = priceRatios('a100-80g', device);
  return ratios.length === 0 ? NONE : [...new Set([ratios[0]!, ratios.at(-1)!].map(figure))].join('–');
}

function agreementText(runs: readonly MapRun[]): string {
  if (runs.length === 0) return 'No place of the map has been run yet.';
  const rows = runs.map(({ cell, measured, seeds }) => [
    cell.shape,
    cell.device,
    cell.stages === 1 ? cell.arm : `${cell.arm}, ${hopText(cell)}`,
    `${cell.prompt} / ${cell.output}`,
    String(seeds),
    kneeText(measured),
    figure(cell.kneePerDevice),
    measured.outside === null ? figure(cell.kneePerDevice / measured.rate) : NONE,
  ]);
  const head = [
    'model',
    'device',
    'served as',
    'prompt / output',
    'seeds',
    'measured, requests/s and device',
    'simulated',
    'simulated / measured',
  ];
  return paragraphs(orderText(runs), table(head, rows));
}

/** Whether the map and the runs agree about which way is the better one. */
export function orderText(runs: readonly MapRun[]): string {
  const pairs = runs.flatMap((split) => {
    const { cell } = split;
    if (cell.arm === WHOLE || cell.ratioToWhole === null) return [];
    const whole = runs.find(
      ({ cell: other }) =>
        other.arm === WHOLE &&
        other.shape === cell.shape &&
        other.device === cell.device &&
        other.prompt === cell.prompt,
    );
    if (whole === undefined) return [];
    const measured = split.measured.rate / whole.measured.rate;
    const isTie = [measured, cell.ratioToWhole].some((ratio) => Math.abs(ratio - 1) <= TIE);
    return [{ agrees: isTie || measured > 1 === cell.ratioToWhole > 1 }];
  });
  if (pairs.length === 0) return 'Nowhere were both the whole model and a split of it run.';
  const agreeing = pairs.filter(({ agrees }) => agrees).length;
  return `Of ${pairs.length} places where both the whole model and a split were run, map and runs agree about which is better at ${agreeing} (within ${percent(TIE)} is a tie).`;
}

function pricesText(): string {
  const devices = [...new Set(priceLists.flatMap(({ usdPerHour }) => Object.keys(usdPerHour)))].sort();
  const rows = priceLists.map(({ name, url, read, usdPerHour }) => [
    `[${name}](${url}), ${read}`,
    ...devices.map((device) => figure(usdPerHour[device] ?? null)),
  ]);
  return paragraphs(
    'USD per hour and device. They differ by up to 70 % between these lists, and yours will differ again: what matters is where the price breaks even.',
    table(['list', ...devices], rows),
  );
}
