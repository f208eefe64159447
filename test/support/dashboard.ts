import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { repositoryRoot } from '../../scripts/lib/repository.js';

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
export const { panels, templating } = JSON.parse(readFileSync(path, 'utf8')) as Dashboard;
export const targets = panels.flatMap((panel) => panel.targets ?? []);

/** The queries as Prometheus gets them, with Grafana's variables filled in. */
export const queries = targets.map(({ expr }) =>
  expr.replaceAll('$__rate_interval', '1m').replaceAll('$model', '.*'),
);
