import type { TimePoint } from '../measure/over-time.js';
import { linearTicks, logTicks } from './ticks.js';

export interface Series {
  readonly name: string;
  readonly color: string;
  readonly points: readonly TimePoint[];
  readonly dashed?: boolean;
  /** Each value holds until the next, as numbers of replicas do. */
  readonly stepped?: boolean;
}

export interface LineChart {
  readonly title: string;
  readonly xLabel: string;
  readonly yLabel: string;
  readonly series: readonly Series[];
  /** For values that span powers of ten; values of 0 and less are left out. */
  readonly logarithmic?: boolean;
}

const WIDTH = 760;
const HEIGHT = 320;
const PLOT = { left: 64, right: 744, top: 36, bottom: 244 };
const LEGEND = { top: 290, row: 18, column: 230, columns: 3 };
const AXIS = '#888';
const GRID = '#e4e4e4';
const TEXT = '#333';

type Scale = (value: number) => number;

interface Axis {
  readonly scale: Scale;
  readonly ticks: readonly number[];
}

/** A chart of lines over time as a whole SVG file, readable on light and dark pages. */
export function lineChart(chart: LineChart): string {
  const series = chart.logarithmic ? chart.series.map(positiveOnly) : chart.series;
  const all = series.flatMap(({ points }) => points);
  const x = linearAxis(0, Math.max(1, ...all.map(({ at }) => at)), PLOT.left, PLOT.right, 8);
  const values = all.map(({ value }) => value);
  const y = chart.logarithmic ? logAxis(values) : linearAxis(0, top(values), PLOT.bottom, PLOT.top, 5);
  const height = HEIGHT + LEGEND.row * (Math.ceil(series.length / LEGEND.columns) - 1);
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" ` +
      `font-family="system-ui, sans-serif" font-size="12" role="img">`,
    `<title>${escaped(chart.title)}</title>`,
    `<rect width="${WIDTH}" height="${height}" fill="#fff"/>`,
    text(chart.title, { x: PLOT.left, y: 20, more: 'font-size="14" font-weight="600"' }),
    ...y.ticks.map((tick) => horizontal(tick, y.scale(tick))),
    ...x.ticks.map((tick) => vertical(tick, x.scale(tick))),
    `<path d="M${PLOT.left} ${PLOT.top}V${PLOT.bottom}H${PLOT.right}" fill="none" stroke="${AXIS}"/>`,
    text(chart.xLabel, { x: PLOT.right, y: PLOT.bottom + 32, more: 'text-anchor="end"' }),
    text(chart.yLabel, {
      x: 14,
      y: PLOT.top,
      more: `text-anchor="end" transform="rotate(-90 14 ${PLOT.top})"`,
    }),
    ...series.map((each) => line(each, x.scale, y.scale)),
    ...series.map(legend),
    '</svg>',
    '',
  ].join('\n');
}

const positiveOnly = (series: Series): Series => ({
  ...series,
  points: series.points.filter(({ value }) => value > 0),
});

const top = (values: readonly number[]): number => Math.max(...values, 0) * 1.05 || 1;

function linearAxis(min: number, max: number, from: number, to: number, about: number): Axis {
  return {
    scale: (value) => from + ((value - min) / (max - min)) * (to - from),
    ticks: linearTicks(min, max, about),
  };
}

function logAxis(values: readonly number[]): Axis {
  const [min, max] = values.length === 0 ? [1, 10] : [Math.min(...values) / 1.1, Math.max(...values) * 1.1];
  const share: Scale = (value) => Math.log(value / min) / Math.log(max / min);
  return {
    scale: (value) => PLOT.bottom + share(value) * (PLOT.top - PLOT.bottom),
    ticks: logTicks(min, max),
  };
}

const horizontal = (tick: number, at: number): string =>
  `<path d="M${PLOT.left} ${px(at)}H${PLOT.right}" stroke="${GRID}"/>` +
  text(String(tick), { x: PLOT.left - 6, y: at + 4, more: 'text-anchor="end"' });

const vertical = (tick: number, at: number): string =>
  `<path d="M${px(at)} ${PLOT.bottom}v4" stroke="${AXIS}"/>` +
  text(String(tick), { x: at, y: PLOT.bottom + 17, more: 'text-anchor="middle"' });

function line({ points, color, dashed, stepped }: Series, x: Scale, y: Scale): string {
  const path = points
    .map(({ at, value }, index) => {
      if (index === 0) return `M${px(x(at))} ${px(y(value))}`;
      return stepped ? `H${px(x(at))}V${px(y(value))}` : `L${px(x(at))} ${px(y(value))}`;
    })
    .join('');
  return `<path d="${path}" fill="none" stroke="${color}" stroke-width="1.8"${dash(dashed)}/>`;
}

function legend({ name, color, dashed }: Series, index: number): string {
  const x = PLOT.left + (index % LEGEND.columns) * LEGEND.column;
  const y = LEGEND.top + Math.floor(index / LEGEND.columns) * LEGEND.row;
  return (
    `<path d="M${x} ${y}h24" stroke="${color}" stroke-width="2.5"${dash(dashed)}/>` +
    text(name, { x: x + 30, y: y + 4 })
  );
}

const dash = (dashed: boolean | undefined): string => (dashed ? ' stroke-dasharray="5 4"' : '');

const text = (content: string, { x, y, more = '' }: { x: number; y: number; more?: string }): string =>
  `<text x="${px(x)}" y="${px(y)}" fill="${TEXT}" ${more}>${escaped(content)}</text>`;

/** A tenth of a pixel is enough, and keeps files small. */
const px = (value: number): string => String(Math.round(value * 10) / 10);

const escaped = (content: string): string =>
  content.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
