import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { repositoryRoot } from '../../../scripts/lib/repository.js';
import { metricsIn } from '../../support/promql.js';
import { recordingRules } from '../../support/rules.js';
import { scrapedSeries } from './metric-names.js';

interface Panel {
  readonly id: number;
  readonly type: string;
  readonly title: string;
  readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number };
  readonly datasource?: { readonly uid: string };
  readonly targets?: readonly { readonly expr: string; readonly datasource: { readonly uid: string } }[];
}

interface Dashboard {
  readonly panels: readonly Panel[];
  readonly templating: { readonly list: readonly { readonly name: string; readonly type: string }[] };
}

const path = join(repositoryRoot, 'otel', 'grafana', 'layermesh.json');
const { panels, templating } = JSON.parse(readFileSync(path, 'utf8')) as Dashboard;
const targets = panels.flatMap((panel) => panel.targets ?? []);

/** What Grafana does to a query before Prometheus sees it. */
const filledIn = (expr: string): string =>
  expr.replaceAll('$__rate_interval', '1m').replaceAll('$model', '.*');

describe('the dashboard', () => {
  it('shows only metrics that are scraped or recorded', async () => {
    const known = new Set([...(await scrapedSeries()), ...recordingRules.map(({ record }) => record)]);
    const shown = targets.flatMap(({ expr }) => metricsIn(filledIn(expr)));
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
