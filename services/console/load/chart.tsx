import { useEffect, useRef } from 'preact/hooks';
import uPlot from 'uplot';
import 'uplot/dist/uPlot.min.css';
import { digits } from '../parts/format.js';

export interface Series {
  readonly label: string;
  /** As many as there are times; null where nothing was measured. */
  readonly values: readonly (number | null)[];
  /** Of the accent, 1 whole. */
  readonly strength: number;
  readonly stepped?: boolean;
}

interface ChartProps {
  readonly title: string;
  readonly unit: string;
  /** Unix time, seconds; or any other figures where `of` names them. */
  readonly at: readonly number[];
  readonly series: readonly Series[];
  readonly of?: string;
}

const HEIGHT = 140;

/** Lines over time, and what they last were in words. */
export function Chart({ title, unit, at, series, of }: ChartProps) {
  const box = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  const data = [at, ...series.map(({ values }) => values)] as unknown as uPlot.AlignedData;
  // Drawn anew in other colours, it has what came since.
  const latest = useRef(data);
  latest.current = data;
  const shape = series.map(({ label }) => label).join();
  useEffect(() => {
    const element = box.current!;
    const draw = (): void => {
      plot.current?.destroy();
      plot.current = new uPlot(optionsOf(element, series, of), latest.current, element);
    };
    draw();
    const resized = new ResizeObserver(() =>
      plot.current?.setSize({ width: element.clientWidth, height: HEIGHT }),
    );
    resized.observe(element);
    // Its colours are read once.
    const dark = matchMedia('(prefers-color-scheme: dark)');
    dark.addEventListener('change', draw);
    return () => {
      resized.disconnect();
      dark.removeEventListener('change', draw);
      plot.current?.destroy();
      plot.current = null;
    };
  }, [shape]);
  useEffect(() => plot.current?.setData(data));
  return (
    <figure class="chart">
      <figcaption>
        <h3>{title}</h3>
        <dl>
          {series.map(({ label, values, strength }) => (
            <div>
              <dt>
                <i style={{ opacity: String(strength) }} /> {label}
              </dt>
              <dd>{lastOf(values, unit)}</dd>
            </div>
          ))}
        </dl>
      </figcaption>
      <div
        ref={box}
        class="plot"
        role="img"
        aria-label={`${title}: ${series.map((one) => `${one.label} ${lastOf(one.values, unit)}`).join(', ')}`}
      />
    </figure>
  );
}

function lastOf(values: readonly (number | null)[], unit: string): string {
  const last = values.findLast((value) => value !== null);
  return last === undefined
    ? '–'
    : `${Number.isInteger(last) ? last : digits(last)}${unit === '' ? '' : ` ${unit}`}`;
}

function optionsOf(element: HTMLElement, series: readonly Series[], of: string | undefined): uPlot.Options {
  const style = getComputedStyle(element);
  const colour = (name: string): string => style.getPropertyValue(name).trim();
  const font = `11px ${style.fontFamily}`;
  const axis = { stroke: colour('--soft'), font, ticks: { show: false }, gap: 6 };
  const grid = { stroke: colour('--line'), width: 1 };
  return {
    width: element.clientWidth,
    height: HEIGHT,
    legend: { show: false },
    cursor: { points: { size: 6 }, drag: { x: false, y: false } },
    scales: {
      x: { time: of === undefined },
      y: { range: (_plot, _low, high) => [0, Math.max(high * 1.1, 1)] },
    },
    axes: [
      { ...axis, grid: { show: false }, size: 24, space: 70, ...(of === undefined && { values: clocks }) },
      { ...axis, grid, size: 44, space: 34 },
    ],
    series: [
      {},
      ...series.map(({ strength, stepped = false }, index) => ({
        stroke: withAlpha(colour('--accent'), strength),
        width: 1.75,
        points: { show: of !== undefined },
        spanGaps: true,
        ...(index === 0 && !stepped && series.length < 3 && { fill: withAlpha(colour('--accent'), 0.08) }),
        ...(stepped && { paths: uPlot.paths.stepped!({ align: -1 }) }),
      })),
    ],
  };
}

/** Seconds only where a few minutes are shown. */
function clocks(_plot: uPlot, times: readonly number[]): string[] {
  const isShort = (times.at(-1) ?? 0) - (times[0] ?? 0) < 600;
  const style: Intl.DateTimeFormatOptions = { hour: '2-digit', minute: '2-digit' };
  if (isShort) style.second = '2-digit';
  return times.map((time) => new Date(time * 1000).toLocaleTimeString('en-GB', style));
}

/** Of `#rrggbb`. */
const withAlpha = (colour: string, alpha: number): string =>
  colour +
  Math.round(alpha * 255)
    .toString(16)
    .padStart(2, '0');
