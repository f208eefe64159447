// @ts-check
// The sidecar: an installed daprd, or one built with Go. Plain JavaScript, so that a fresh clone builds it while npm
// installs what everything else needs.
import { existsSync } from 'node:fs';
import { mkdir, readFile, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { basename, delimiter, dirname, join } from 'node:path';
import { cacheDirectory } from './cache.mjs';
import { digestOf } from './digest.mjs';
import { withLock } from './lock.mjs';
import { isAtLeast } from './node-version.mjs';
import { SetupError } from './setup-error.mjs';
import { shared } from './shared.mjs';
import { runStep } from './step.mjs';
import { runTool } from './tool.mjs';

const VERSION = '1.18.0';

/** The Go package of the resolver that several replicas of one app-id on one host need (docs/architecture.md). */
const SQLITE_RESOLVER = 'components-contrib/nameresolution/sqlite';

const BUILD_FLAGS = [
  '-mod=readonly',
  // The linker drops what debuggers need; not making it is an eighth less to compile.
  '-gcflags=all=-dwarf=false',
  `-ldflags=-s -w -X github.com/dapr/dapr/pkg/buildinfo.version=${VERSION} -X github.com/dapr/kit/logger.DaprVersion=${VERSION}`,
];

/** By the components to build in: those of scripts/dapr/main.go, or every one that Dapr has. */
const VARIANTS = {
  used: { flags: BUILD_FLAGS, target: '.', takes: 'three to four minutes' },
  all: {
    flags: [...BUILD_FLAGS, '-tags=allcomponents'],
    target: 'github.com/dapr/dapr/cmd/daprd',
    takes: 'ten minutes',
  },
};

/**
 * @typedef {object} DaprdOptions
 * @property {AbortSignal | undefined} [signal]
 * @property {((detail: string) => void) | undefined} [onProgress] told in a few words what goes on; may be called often
 * @property {readonly string[]} [folders] where an installed one may be, in order
 */

/**
 * The path of a daprd that can serve: an installed one, or the one in the cache, or else built with Go into the
 * cache, once. Null where there is neither a daprd nor Go. Throws a SetupError where the build fails.
 *
 * @param {string} root
 * @param {DaprdOptions} [options]
 * @returns {Promise<string | null>}
 */
export async function findDaprd(root, { signal, onProgress, folders = installFolders() } = {}) {
  for (const path of folders.map((folder) => join(folder, 'daprd'))) {
    if (existsSync(path) && (await isSuitable(path, signal))) {
      onProgress?.(path);
      return path;
    }
  }
  const variant = chosenVariant();
  const module = join(root, 'scripts', 'dapr');
  const path = await cachedPath(module, variant);
  if (existsSync(path)) return path;
  return withLock(
    join(cacheDirectory(), 'locks', 'daprd'),
    async () =>
      existsSync(path) || (await build(module, variant, path, { signal, onProgress })) ? path : null,
    { signal, onWait: (owner) => onProgress?.(`waiting for the build by ${owner}`) },
  );
}

/**
 * `findDaprd` as a step that tells how it goes, once for a whole process: who asks later waits for the same one.
 *
 * @param {string} root
 * @param {AbortSignal} [signal]
 * @returns {Promise<string | null>}
 */
export function daprdStep(root, signal) {
  const { found, stop } = shared('daprd', () => {
    const stop = new AbortController();
    const find = (/** @type {(detail: string) => void} */ onProgress) =>
      findDaprd(root, { signal: stop.signal, onProgress });
    const found = runStep('daprd', find, { quietBelowMs: 1_000 });
    // Told to who waits for it, which may be later.
    found.catch(() => undefined);
    return { found, stop };
  });
  signal?.addEventListener('abort', () => stop.abort(), { once: true });
  return found;
}

function chosenVariant() {
  const name = process.env['LAYERMESH_DAPRD_COMPONENTS'] || 'used';
  if (name === 'used' || name === 'all') return VARIANTS[name];
  throw new SetupError('invalid_config', `LAYERMESH_DAPRD_COMPONENTS is "${name}"`, 'set it to used or all');
}

const installFolders = () => [
  ...(process.env['PATH'] ?? '').split(delimiter),
  join(homedir(), '.dapr', 'bin'),
];

/**
 * New enough, and with the SQLite resolver, whose package name stays in the binary even when stripped.
 * @param {string} path
 * @param {AbortSignal} [signal]
 */
async function isSuitable(path, signal) {
  const { code, output } = await runTool(path, ['--version'], { cwd: dirname(path), signal });
  return code === 0 && isAtLeast(output.trim(), VERSION) && (await readFile(path)).includes(SQLITE_RESOLVER);
}

/** @typedef {typeof VARIANTS['used']} Variant */

/**
 * Named after everything that decides what is built, so that a changed pin or component is built anew.
 * @param {string} module
 * @param {Variant} variant
 */
async function cachedPath(module, { flags, target }) {
  const sources = await Promise.all(
    ['go.mod', 'go.sum', 'main.go'].map((name) => readFile(join(module, name))),
  );
  const key = digestOf(...sources, ...flags, target).slice(0, 12);
  return join(cacheDirectory(), 'bin', `daprd-${VERSION}-${key}`);
}

/**
 * Go verifies every module against go.sum, and its own cache makes an interrupted build go on where it was.
 * False where there is no Go.
 *
 * @param {string} module
 * @param {Variant} variant
 * @param {string} path
 * @param {DaprdOptions} options
 */
async function build(module, { flags, target, takes }, path, { signal, onProgress }) {
  const count = { modules: 0, packages: 0 };
  /** @param {string} text */
  const onText = (text) => {
    for (const line of text.split('\n').slice(0, -1))
      count[line.startsWith('go: ') ? 'modules' : 'packages']++;
    const done = `${count.modules} modules fetched, ${count.packages} packages compiled`;
    onProgress?.(`building ${VERSION} with Go: ${done} (once; ${takes} on two cores)`);
  };
  /** @param {readonly string[]} args */
  const go = async (...args) => {
    // A compiler that collects its garbage less often is an eighth faster, and still small.
    const env = { GOGC: '200', ...process.env, CGO_ENABLED: '0', GOFLAGS: '-buildvcs=false' };
    const { code, output } = await runTool('go', args, { cwd: module, env, signal, onText });
    const last = output.trim().split('\n').at(-1) ?? '';
    if (code !== 0) throw missing(`building daprd failed: ${last}`);
    return last;
  };
  if (!(await hasGo(module))) return false;
  const unfinished = `${path}.unfinished`;
  await mkdir(dirname(path), { recursive: true });
  if (target === '.') await makeApp(module, await go('list', '-find', '-f={{.Dir}}', DAPR_APP));
  await go('build', '-v', ...flags, '-o', unfinished, target);
  await rename(unfinished, path);
  await removeOlder(path);
  return true;
}

/** @param {string} module */
async function hasGo(module) {
  try {
    return (await runTool('go', ['version'], { cwd: module })).code === 0;
  } catch (error) {
    if (/** @type {NodeJS.ErrnoException} */ (error).code === 'ENOENT') return false;
    throw error;
  }
}

const DAPR_APP = 'github.com/dapr/dapr/cmd/daprd/app';

/** With it come all components, or, without the build tags that choose them, a panic. */
const ALL_COMPONENTS = /^\s*_ "github\.com\/dapr\/dapr\/cmd\/daprd\/components"\n/m;

/**
 * Makes Dapr's package `app` one of ours, without that import.
 * @param {string} module
 * @param {string} original the folder of Dapr's
 */
async function makeApp(module, original) {
  const source = await readFile(join(original, 'app.go'), 'utf8');
  if (!ALL_COMPONENTS.test(source)) throw missing(`${DAPR_APP} does not import its components`);
  await mkdir(join(module, 'app'), { recursive: true });
  await writeFile(join(module, 'app', 'app.go'), source.replace(ALL_COMPONENTS, ''));
}

/** @param {string} message */
const missing = (message) =>
  new SetupError('sidecar_missing', message, 'install Dapr (https://docs.dapr.io) or run with --mesh direct');

/** @param {string} path */
async function removeOlder(path) {
  const folder = dirname(path);
  const older = (await readdir(folder)).filter(
    (name) => name.startsWith('daprd-') && name !== basename(path),
  );
  await Promise.all(older.map((name) => rm(join(folder, name))));
}
