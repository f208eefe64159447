import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { cacheDirectory } from '../../../bootstrap/cache.mjs';
import { digestOf } from '../../../bootstrap/digest.mjs';
import { withLock } from '../../../bootstrap/lock.mjs';
import { runTool } from '../../../bootstrap/tool.mjs';
import { installedProgram, repositoryRoot } from '../../repository.js';
import type { Client } from './catalogue.js';

/** How a client's program is started. */
export interface Command {
  readonly program: string;
  readonly args: readonly string[];
}

/** Why a client cannot be tried on this machine: its runtime, or the registry of its packages, is not there. */
export class Unavailable extends Error {}

const sources = join(repositoryRoot, 'test', 'clients');
const folderOf = (...key: readonly string[]): string =>
  join(cacheDirectory(), 'clients', `${key[0]!}-${digestOf(...key).slice(0, 12)}`);

type SetUp = (client: Client, signal: AbortSignal) => Promise<Command>;

/**
 * Makes a client's program able to run, in a folder of the cache that is its own; what is there already is taken. Throws
 * `Unavailable`.
 */
export const setUpClient: SetUp = (client, signal) => setUps[client.runtime](client, signal);

const setUps: Readonly<Record<Client['runtime'], SetUp>> = {
  python: async ({ name, program, packages = [] }, signal) => {
    const python = required('python3', 'Python');
    const folder = folderOf(name, ...packages);
    await once(folder, signal, async () => {
      await install(python, ['-m', 'venv', folder], sources, signal);
      const pip = ['install', '--quiet', '--retries', '1', '--disable-pip-version-check', ...packages];
      await install(join(folder, 'bin', 'pip'), pip, folder, signal);
    });
    return { program: join(folder, 'bin', 'python'), args: [join(sources, 'python', program)] };
  },

  node: async ({ program }, signal) => {
    const folder = await copied('node', signal, async (copy) => {
      await install(required('npm', 'npm'), ['ci', '--no-audit', '--no-fund'], copy, signal);
    });
    return { program: process.execPath, args: [join(folder, program)] };
  },

  go: async ({ program }, signal) => {
    const go = required('go', 'Go');
    const folder = await copied('go', signal, (copy) =>
      install(go, ['build', '-o', 'bin/', './...'], copy, signal),
    );
    return { program: join(folder, 'bin', program), args: [] };
  },

  java: async ({ program }, signal) => {
    const [java, maven] = [required('java', 'Java'), required('mvn', 'Maven')];
    const folder = await copied('java', signal, (copy) =>
      install(maven, ['-q', '-B', 'compile', 'dependency:copy-dependencies'], copy, signal),
    );
    const target = join(folder, 'target');
    const path = [join(target, 'classes'), join(target, 'dependency', '*')].join(delimiter);
    return { program: java, args: ['-cp', path, program] };
  },
};

function required(program: string, name: string): string {
  const found = installedProgram(program);
  if (found === null) throw new Unavailable(`${name} is not installed`);
  return found;
}

/** The runtime's folder of test/clients, copied into the cache and made ready there, once for what is in it. */
async function copied(
  runtime: string,
  signal: AbortSignal,
  make: (folder: string) => Promise<void>,
): Promise<string> {
  const from = join(sources, runtime);
  const files = readdirSync(from, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .sort();
  const folder = folderOf(runtime, ...files.flatMap((file) => [file, readFileSync(file, 'utf8')]));
  await once(folder, signal, async () => {
    cpSync(from, folder, { recursive: true });
    await make(folder);
  });
  return folder;
}

/** Two commands at once do not both make it, and what was not made whole is made again. */
async function once(folder: string, signal: AbortSignal, make: () => Promise<void>): Promise<void> {
  const stamp = join(folder, '.ready');
  await withLock(
    `${folder}.lock`,
    async () => {
      if (existsSync(stamp)) return;
      rmSync(folder, { recursive: true, force: true });
      mkdirSync(folder, { recursive: true });
      await make();
      writeFileSync(stamp, '');
    },
    { signal },
  );
}

async function install(
  program: string,
  args: readonly string[],
  cwd: string,
  signal: AbortSignal,
): Promise<void> {
  const { code, output } = await runTool(program, args, { cwd, signal });
  if (code === 0) return;
  const [last = `exit code ${code}`] = output.trim().split('\n').slice(-1);
  throw new Unavailable(`it could not be installed: ${last.slice(0, 200)}`);
}
