import { lineChart, type LineChart } from '../../../scripts/lib/experiment/chart/line-chart.js';
import { linearTicks, logTicks } from '../../../scripts/lib/experiment/chart/ticks.js';

const chart = (what: Partial<LineChart>): string =>
  lineChart({ title: 'a < b', xLabel: 's', yLabel: 'ms', series: [], ...what });

const line = (svg: string): string => /<path d="([^"]*)" fill="none" stroke="red"/.exec(svg)![1]!;

describe('ticks', () => {
  it('are round and few', () => {
    expect(linearTicks(0, 75, 8)).toEqual([0, 10, 20, 30, 40, 50, 60, 70]);
    expect(linearTicks(0, 0.9, 5)).toEqual([0, 0.2, 0.4, 0.6, 0.8]);
    expect(logTicks(0.15, 12)).toEqual([0.2, 0.5, 1, 2, 5, 10]);
  });
});

describe('a chart', () => {
  const points = [
    { at: 0, value: 1 },
    { at: 50, value: 2 },
    { at: 100, value: 0 },
  ];
  const series = [{ name: 'one', color: 'red', points }];

  it('draws each point at its place: later is further right, more is higher', () => {
    expect(line(chart({ series }))).toBe('M64 145L404 45.9L744 244');
  });

  it('draws steps, which hold until the next', () => {
    expect(line(chart({ series: [{ ...series[0]!, stepped: true }] }))).toMatch(
      /^M64 [\d.]+H404V[\d.]+H744V244$/,
    );
  });

  it('leaves out of a logarithmic chart what has no logarithm', () => {
    expect(line(chart({ series, logarithmic: true })).match(/[ML]/g)).toEqual(['M', 'L']);
  });

  it('is a whole file with title, legend and text that can not break it', () => {
    const svg = chart({ series });
    expect(svg).toMatch(/^<svg [^]*<title>a &lt; b<\/title>[^]*>one<\/text>[^]*<\/svg>\n$/);
    expect(svg).not.toContain('a < b');
  });

  it('holds together without any point', () => {
    for (const logarithmic of [false, true]) {
      const svg = chart({ logarithmic, series: [{ ...series[0]!, points: [] }] });
      expect(svg).not.toMatch(/NaN|Infinity/);
    }
  });
});
