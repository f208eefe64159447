// @ts-check
// The front door of the npm scripts: makes a fresh clone able to run a command, then runs it in this process.
// This file and scripts/bootstrap/ are plain JavaScript without dependencies, for nothing else is there yet.
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { cacheDirectory } from './bootstrap/cache.mjs';
import { commandsOf } from './bootstrap/commands.mjs';
import { ensureCompiled } from './bootstrap/compile.mjs';
import { daprdStep } from './bootstrap/daprd.mjs';
import { digestOf } from './bootstrap/digest.mjs';
import { ensureInstalled } from './bootstrap/install.mjs';
import { withLock } from './bootstrap/lock.mjs';
import { requireNode } from './bootstrap/node-version.mjs';
import { SetupError } from './bootstrap/setup-error.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const [command = '', ...args] = process.argv.slice(2);

/** Where its program is once it is compiled. @param {string} name */
function programOf(name) {
  const commands = commandsOf(root);
  const path = commands.get(name);
  if (path !== undefined) return join(root, 'dist', 'scripts', `${path}.js`);
  const known = [...commands.keys()].sort().join(', ');
  throw new SetupError('unknown_command', `there is no command "${name}"`, `use one of ${known}`);
}

/** What a fresh clone begins with, and needs a sidecar for. */
const startsSidecars =
  ['up', 'check'].includes(command) && !args.some((each) => /^--help$|^-h$|direct$/.test(each));

// Exiting by hand runs the exit handlers, which stop npm or the compiler and give the lock back.
const interrupted = () => process.exit(130);
process.once('SIGINT', interrupted).once('SIGTERM', interrupted);

let program = '';
try {
  requireNode(root);
  program = programOf(command);
  // Where there is none it takes Go minutes to build, so that all else is done beside it. The command waits for it.
  if (startsSidecars) void daprdStep(root);
  // Two commands started at once on a fresh clone: the second waits, then finds everything done.
  const lock = join(cacheDirectory(), 'locks', `setup-${digestOf(root).slice(0, 12)}`);
  await withLock(lock, async () => {
    await ensureInstalled(root);
    await ensureCompiled(root);
  });
} catch (error) {
  console.error(error instanceof SetupError ? error.toLine() : error);
  process.exit(1);
}
process.off('SIGINT', interrupted).off('SIGTERM', interrupted);

process.argv = [process.execPath, program, ...args];
await import(pathToFileURL(program).href);
