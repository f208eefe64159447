import { chmod, mkdir, readFile, readdir, rename, rm } from 'node:fs/promises';
import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import { delimiter, join } from 'node:path';
import { ServingError } from '../../services/lib/errors/serving-error.js';
import { cacheDirectory } from '../bootstrap/cache.mjs';
import { digestOf } from '../bootstrap/digest.mjs';
import { withLock } from '../bootstrap/lock.mjs';
import { isAtLeast } from '../bootstrap/node-version.mjs';
import { runTool } from '../bootstrap/tool.mjs';
import type { LongStepOptions } from './long-step.js';
import { repositoryRoot } from './repository.js';

const VERSION = '1.18.0';

/** The Go package of the resolver that several replicas of one app-id on one host need (docs/architecture.md). */
const SQLITE_RESOLVER = 'components-contrib/nameresolution/sqlite';

const BUILD_FLAGS = [
  '-mod=readonly',
  '-tags=allcomponents',
  `-ldflags=-s -w -X github.com/dapr/dapr/pkg/buildinfo.version=${VERSION} -X github.com/dapr/kit/logger.DaprVersion=${VERSION}`,
];

/**
 * The path of a daprd that can serve: an installed one, or the one in the cache, or else built with Go into the
 * cache (once; ten minutes on two cores). Null where there is neither a daprd nor Go.
 */
export async function ensureDaprd(options: LongStepOptions = {}): Promise<string | null> {
  for (const candidate of installedDaprds()) {
    if (await isSuitable(candidate, options.signal)) {
      options.onProgress?.(candidate);
      return candidate;
    }
  }
  const built = await cachedPath();
  if (existsSync(built)) return built;
  const lock = join(cacheDirectory(), 'locks', 'daprd');
  const onWait = (owner: string): void => options.onProgress?.(`waiting for the build by ${owner}`);
  return withLock(lock, async () => (existsSync(built) ? built : ((await build(built, options)) ?? null)), {
    signal: options.signal,
    onWait,
  });
}

function installedDaprds(): string[] {
  const folders = [...(process.env['PATH'] ?? '').split(delimiter), join(homedir(), '.dapr', 'bin')];
  return folders.map((folder) => join(folder, 'daprd')).filter((path) => existsSync(path));
}

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

/** Go verifies every module against go.sum, and its own cache makes an interrupted build go on where it was. */
async function build(path: string, { signal, onProgress }: LongStepOptions): Promise<string | null> {
  const unfinished = `${path}.unfinished`;
  await mkdir(join(path, '..'), { recursive: true });
  let packages = 0;
  const onText = (text: string): void => {
    packages += text.split('\n').length - 1;
    onProgress?.(`building ${VERSION} with Go, ${packages} packages (once; ten minutes on two cores)`);
  };
  const args = ['build', '-v', ...BUILD_FLAGS, '-o', unfinished, 'github.com/dapr/dapr/cmd/daprd'];
  const env = { ...process.env, CGO_ENABLED: '0', GOFLAGS: '-buildvcs=false' };
  const result = await runTool('go', args, { cwd: moduleFolder, env, signal, onText }).catch(nullIfAbsent);
  if (result === null) return null;
  if (result.code !== 0) {
    const line = result.output.trim().split('\n').at(-1) ?? '';
    throw new ServingError('sidecar_missing', `building daprd failed: ${line}`);
  }
  await chmod(unfinished, 0o755);
  await rename(unfinished, path);
  await removeOlder(path);
  return path;
}

function nullIfAbsent(error: unknown): null {
  if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
  throw error;
}

async function removeOlder(path: string): Promise<void> {
  const folder = join(path, '..');
  const others = (await readdir(folder)).filter(
    (name) => name.startsWith('daprd-') && join(folder, name) !== path,
  );
  await Promise.all(others.map((name) => rm(join(folder, name))));
}
