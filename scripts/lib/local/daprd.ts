import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, rename, rm } from 'node:fs/promises';
import { homedir } from 'node:os';
import { basename, delimiter, dirname, join } from 'node:path';
import { ServingError } from '../../../services/lib/errors/serving-error.js';
import { cacheDirectory } from '../../bootstrap/cache.mjs';
import { digestOf } from '../../bootstrap/digest.mjs';
import { withLock } from '../../bootstrap/lock.mjs';
import { isAtLeast } from '../../bootstrap/node-version.mjs';
import { runTool } from '../../bootstrap/tool.mjs';
import type { LongStepOptions } from '../cli/command.js';
import { repositoryRoot } from '../repository.js';

const VERSION = '1.18.0';

/** The Go package of the resolver that several replicas of one app-id on one host need (docs/architecture.md). */
const SQLITE_RESOLVER = 'components-contrib/nameresolution/sqlite';

const BUILD_FLAGS = [
  '-mod=readonly',
  '-tags=allcomponents',
  `-ldflags=-s -w -X github.com/dapr/dapr/pkg/buildinfo.version=${VERSION} -X github.com/dapr/kit/logger.DaprVersion=${VERSION}`,
];

export interface DaprdOptions extends LongStepOptions {
  /** Where an installed one may be, in order. */
  readonly folders?: readonly string[];
}

/**
 * The path of a daprd that can serve: an installed one, or the one in the cache, or else built with Go into the
 * cache (once; ten minutes on two cores). Null where there is neither a daprd nor Go.
 */
export async function ensureDaprd(options: DaprdOptions = {}): Promise<string | null> {
  const { signal, onProgress, folders = installFolders() } = options;
  for (const path of folders.map((folder) => join(folder, 'daprd'))) {
    if (existsSync(path) && (await isSuitable(path, signal))) {
      onProgress?.(path);
      return path;
    }
  }
  const built = await cachedPath();
  if (existsSync(built)) return built;
  return withLock(
    join(cacheDirectory(), 'locks', 'daprd'),
    async () => (existsSync(built) || (await build(built, options)) ? built : null),
    { signal, onWait: (owner) => onProgress?.(`waiting for the build by ${owner}`) },
  );
}

const installFolders = (): string[] => [
  ...(process.env['PATH'] ?? '').split(delimiter),
  join(homedir(), '.dapr', 'bin'),
];

/** New enough, and with the SQLite resolver, whose package name stays in the binary even when stripped. */
async function isSuitable(path: string, signal?: AbortSignal): Promise<boolean> {
  const { code, output } = await runTool(path, ['--version'], { cwd: repositoryRoot, signal });
  return code === 0 && isAtLeast(output.trim(), VERSION) && (await readFile(path)).includes(SQLITE_RESOLVER);
}

/** Named after everything that decides what is built, so that a changed pin is built anew. */
async function cachedPath(): Promise<string> {
  const pins = await Promise.all(['go.mod', 'go.sum'].map((name) => readFile(join(moduleFolder, name))));
  const key = digestOf(...pins, ...BUILD_FLAGS).slice(0, 12);
  return join(cacheDirectory(), 'bin', `daprd-${VERSION}-${key}`);
}

const moduleFolder = join(repositoryRoot, 'scripts', 'dapr');

/**
 * Go verifies every module against go.sum, and its own cache makes an interrupted build go on where it was.
 * False where there is no Go.
 */
async function build(path: string, { signal, onProgress }: LongStepOptions): Promise<boolean> {
  const unfinished = `${path}.unfinished`;
  await mkdir(dirname(path), { recursive: true });
  let packages = 0;
  const onText = (text: string): void => {
    packages += text.split('\n').length - 1;
    onProgress?.(`building ${VERSION} with Go, ${packages} packages (once; ten minutes on two cores)`);
  };
  const args = ['build', '-v', ...BUILD_FLAGS, '-o', unfinished, 'github.com/dapr/dapr/cmd/daprd'];
  const env = { ...process.env, CGO_ENABLED: '0', GOFLAGS: '-buildvcs=false' };
  const result = await runTool('go', args, { cwd: moduleFolder, env, signal, onText }).catch(nullIfAbsent);
  if (result === null) return false;
  if (result.code !== 0) {
    const line = result.output.trim().split('\n').at(-1) ?? '';
    throw new ServingError('sidecar_missing', `building daprd failed: ${line}`);
  }
  await rename(unfinished, path);
  await removeOlder(path);
  return true;
}

function nullIfAbsent(error: unknown): null {
  if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
  throw error;
}

async function removeOlder(path: string): Promise<void> {
  const folder = dirname(path);
  const older = (await readdir(folder)).filter(
    (name) => name.startsWith('daprd-') && name !== basename(path),
  );
  await Promise.all(older.map((name) => rm(join(folder, name))));
}
