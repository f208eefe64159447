import { scaleLinear, scaleLog, type ScaleContinuousNumeric } from 'd3-scale';
import { curveLinear, curveStepAfter, line } from 'd3-shape';
import type { TimePoint } from './over-time.js';
import { AXIS, px, svgFile, text } from './svg.js';

/** Told apart also by those who do not see red and green. */
export const COLORS = ['#0072b2', '#d55e00', '#009e73', '#cc79a7', '#e69f00', '#56b4e9'] as const;

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
const GRID = '#e4e4e4';

type Scale = ScaleContinuousNumeric<number, number>;

/** A chart of lines over time as a whole SVG file, readable on light and dark pages. */
export function lineChart(chart: LineChart): string {
  const series = chart.logarithmic ? chart.series.map(positiveOnly) : chart.series;
  const all = series.flatMap(({ points }) => points);
  const x = scaleLinear([0, Math.max(1, ...all.map(({ at }) => at))], [PLOT.left, PLOT.right]);
  const values = all.map(({ value }) => value);
  const vertical = [PLOT.bottom, PLOT.top];
  const y = chart.logarithmic ? scaleLog(around(values), vertical) : scaleLinear([0, top(values)], vertical);
  const height = HEIGHT + LEGEND.row * (Math.ceil(series.length / LEGEND.columns) - 1);
  return svgFile({ title: chart.title, width: WIDTH, height }, [
    text(chart.title, { x: PLOT.left, y: 20, more: 'font-size="14" font-weight="600"' }),
    ...(chart.logarithmic ? logTicks(y) : y.ticks(5)).map((tick) => horizontal(tick, y(tick))),
    ...x.ticks(8).map((tick) => upright(tick, x(tick))),
    `<path d="M${PLOT.left} ${PLOT.top}V${PLOT.bottom}H${PLOT.right}" fill="none" stroke="${AXIS}"/>`,
    text(chart.xLabel, { x: PLOT.right, y: PLOT.bottom + 32, more: 'text-anchor="end"' }),
    text(chart.yLabel, {
      x: 14,
      y: PLOT.top,
      more: `text-anchor="end" transform="rotate(-90 14 ${PLOT.top})"`,
    }),
    ...series.map((each) => curve(each, x, y)),
    ...series.map(legend),
  ]);
}

const positiveOnly = (series: Series): Series => ({
  ...series,
  points: series.points.filter(({ value }) => value > 0),
});

const top = (values: readonly number[]): number => Math.max(...values, 0) * 1.05 || 1;

const around = (values: readonly number[]): [number, number] =>
  values.length === 0 ? [1, 10] : [Math.min(...values) / 1.1, Math.max(...values) * 1.1];

/** 1, 2 and 5 times each power of ten: not every multiple, as d3 has it. */
const logTicks = (y: Scale): number[] => y.ticks().filter((tick) => /^[125]/.test(tick.toExponential()));

const horizontal = (tick: number, at: number): string =>
  `<path d="M${PLOT.left} ${px(at)}H${PLOT.right}" stroke="${GRID}"/>` +
  text(String(tick), { x: PLOT.left - 6, y: at + 4, more: 'text-anchor="end"' });

const upright = (tick: number, at: number): string =>
  `<path d="M${px(at)} ${PLOT.bottom}v4" stroke="${AXIS}"/>` +
  text(String(tick), { x: at, y: PLOT.bottom + 17, more: 'text-anchor="middle"' });

function curve({ points, color, dashed, stepped }: Series, x: Scale, y: Scale): string {
  const path = line<TimePoint>(
    ({ at }) => x(at),
    ({ value }) => y(value),
  )
    .curve(stepped ? curveStepAfter : curveLinear)
    .digits(1);
  return `<path d="${path(points) ?? ''}" fill="none" stroke="${color}" stroke-width="1.8"${dash(dashed)}/>`;
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
