import { readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { repositoryRoot, writeWhole } from '../repository.js';

const RESULTS_PAGE = join(repositoryRoot, 'docs', 'benchmarks.md');

/** Everything from here to the end of the page is written by the script. */
const HEADING = '## Results\n';

/** The page with its results replaced. */
export function withResults(page: string, results: string): string {
  const at = page.indexOf(HEADING);
  const before = at === -1 ? `${page.trimEnd()}\n\n` : page.slice(0, at);
  return `${before}${HEADING}\n${results.trim()}\n`;
}

export const writeResults = (results: string, path = RESULTS_PAGE): void =>
  writeWhole(path, withResults(readFileSync(path, 'utf8'), results));

/** What repeats the measurement. */
export const commandLine = (command: string): string =>
  [`npm run ${command} --`, ...process.argv.slice(2)].join(' ').replaceAll(homedir(), '~');
