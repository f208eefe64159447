import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { repositoryRoot } from '../../repository.js';

export const RESULTS_PAGE = join(repositoryRoot, 'docs', 'benchmarks.md');

/** Everything from here to the end of the page is written by the script. */
const HEADING = '## Results\n';

/** The page with its results replaced. */
export function withResults(page: string, results: string): string {
  const at = page.indexOf(HEADING);
  const before = at === -1 ? `${page.trimEnd()}\n\n` : page.slice(0, at);
  return `${before}${HEADING}\n${results.trim()}\n`;
}

export function writeResults(results: string, path = RESULTS_PAGE): void {
  const page = withResults(readFileSync(path, 'utf8'), results);
  writeFileSync(`${path}.unfinished`, page);
  renameSync(`${path}.unfinished`, path);
}
