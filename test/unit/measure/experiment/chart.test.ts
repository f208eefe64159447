import { lineChart, type LineChart } from '../../../../scripts/lib/measure/figures/line-chart.js';

const chart = (what: Partial<LineChart>): string =>
  lineChart({ title: 'a < b', xLabel: 's', yLabel: 'ms', series: [], ...what });

const line = (svg: string): string => /<path d="([^"]*)" fill="none" stroke="red"/.exec(svg)![1]!;

/** The numbers at an axis: beside it at the left, or below it. */
const ticksOf = (svg: string, anchor: 'end' | 'middle'): number[] =>
  [...svg.matchAll(new RegExp(`text-anchor="${anchor}">([\\d.]+)</text>`, 'g'))].map(([, tick]) =>
    Number(tick),
  );

it('ticks are round and few', () => {
  const upTo = (at: number, value: number): LineChart['series'] => [
    {
      name: 'one',
      color: 'red',
      points: [
        { at: 0, value: 0.165 },
        { at, value },
      ],
    },
  ];
  expect(ticksOf(chart({ series: upTo(75, 0.85) }), 'middle')).toEqual([0, 10, 20, 30, 40, 50, 60, 70]);
  expect(ticksOf(chart({ series: upTo(75, 0.85) }), 'end')).toEqual([0, 0.2, 0.4, 0.6, 0.8]);
  const logarithmic = chart({ series: upTo(75, 11), logarithmic: true });
  expect(ticksOf(logarithmic, 'end')).toEqual([0.2, 0.5, 1, 2, 5, 10]);
});

describe('a chart', () => {
  const points = [
    { at: 0, value: 1 },
    { at: 50, value: 2 },
    { at: 100, value: 0 },
  ];
  const series = [{ name: 'one', color: 'red', points }];

  it('draws each point at its place: later is further right, more is higher', () => {
    expect(line(chart({ series }))).toBe('M64,145L404,45.9L744,244');
  });

  it('draws steps, which hold until the next', () => {
    expect(line(chart({ series: [{ ...series[0]!, stepped: true }] }))).toMatch(
      /^M64,([\d.]+)L404,\1L404,([\d.]+)L744,\2L744,244$/,
    );
  });

  it('leaves out of a logarithmic chart what has no logarithm', () => {
    expect(line(chart({ series, logarithmic: true })).match(/[ML]/g)).toEqual(['M', 'L']);
  });

  it('is a whole file with title, legend and text that cannot break it', () => {
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
