import { panels, queries, targets, templating } from '../../support/dashboard.js';
import { metricsIn } from '../../support/promql.js';
import { recordingRules } from '../../support/rules.js';
import { scrapedSeries } from './metric-names.js';

describe('the dashboard', () => {
  it('shows only metrics that are scraped or recorded', async () => {
    const known = new Set([...(await scrapedSeries()), ...recordingRules.map(({ record }) => record)]);
    const shown = queries.flatMap(metricsIn);
    expect(shown.length).toBeGreaterThan(30);
    expect(shown.filter((name) => !known.has(name))).toEqual([]);
  });

  it('has the rows that tell first whether it serves well, then why not', () => {
    const rows = panels.filter(({ type }) => type === 'row').map(({ title }) => title);
    expect(rows).toEqual(['Overview', 'Quality of service', 'Load', 'Pipeline']);
  });

  it('takes its source from a variable, so that it works in any Grafana', () => {
    expect(templating.list).toContainEqual(
      expect.objectContaining({ name: 'datasource', type: 'datasource' }),
    );
    const sources = [
      ...panels.flatMap(({ datasource }) => datasource ?? []),
      ...targets.map((each) => each.datasource),
    ];
    expect(new Set(sources.map(({ uid }) => uid))).toEqual(new Set(['${datasource}']));
  });

  it('has panels that do not overlap', () => {
    const cells = panels.flatMap(({ gridPos: { x, y, w, h } }) =>
      Array.from({ length: w * h }, (_, cell) => `${x + (cell % w)},${y + Math.floor(cell / w)}`),
    );
    expect(new Set(cells).size).toBe(cells.length);
    expect(new Set(panels.map(({ id }) => id)).size).toBe(panels.length);
  });
});
