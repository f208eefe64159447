import { existsSync, mkdirSync, readFileSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { withResults } from '../../bench/report/results-page.js';
import { lineChart } from '../chart/line-chart.js';
import type { Page } from './page.js';

/** Puts the results into `experiment.md` of a folder, below what it says already, and the figures beside it. */
export function writePage({ text, charts }: Page, docs: string): void {
  const figures = join(docs, 'experiment');
  mkdirSync(figures, { recursive: true });
  for (const file of readdirSync(figures)) if (file.endsWith('.svg')) rmSync(join(figures, file));
  for (const [name, chart] of charts) writeWhole(join(figures, `${name}.svg`), lineChart(chart));
  const path = join(docs, 'experiment.md');
  writeWhole(path, withResults(existsSync(path) ? readFileSync(path, 'utf8') : '', text));
}

function writeWhole(path: string, content: string): void {
  writeFileSync(`${path}.unfinished`, content);
  renameSync(`${path}.unfinished`, path);
}
