import { existsSync, readdirSync } from 'node:fs';
import type { Option } from 'commander';
import { DEFAULT_PORT, portOption } from '../../cli/options.js';
import { RunFolder, runsDirectory } from './run-folder.js';

/** That of the local system that runs; where there is none, or several, the one that a system has by default. */
function runningPort(): number {
  const folder = runsDirectory();
  const names = existsSync(folder) ? readdirSync(folder) : [];
  const [port, ...others] = names
    .flatMap((name) => /^(\d+)\.lock$/.exec(name)?.[1] ?? [])
    .map(Number)
    .filter((each) => new RunFolder(each).owner !== null);
  return port === undefined || others.length > 0 ? DEFAULT_PORT : port;
}

/** Which running system a command is about: where just one runs that one, unless it is said. */
export const runningPortOption = (): Option => portOption(runningPort());

/** Where the gateway of that system listens. */
export const runningUrl = (): string =>
  `http://127.0.0.1:${process.env['LAYERMESH_PORT'] ?? String(runningPort())}`;
