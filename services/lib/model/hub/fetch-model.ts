import { createHash } from 'node:crypto';
import { type FileHandle, mkdir, rename, stat, symlink } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { downloadFile, listFiles, modelInfo, type ListFileEntry } from '@huggingface/hub';
import type { HubConfig } from '../../config/config.js';
import { ServingError } from '../../errors/serving-error.js';
import { writeWhole } from '../write-whole.js';
import { hubCache, type HubModel } from './hub-model.js';

/** Bytes of the file that have arrived, of how many. */
export interface DownloadProgress {
  readonly file: string;
  readonly received: number;
  readonly total: number;
}

export interface FetchOptions {
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((progress: DownloadProgress) => void) | undefined;
}

/** What `openCheckpoint` reads of a folder. */
const MODEL_FILES =
  /^((generation_)?config\.json|tokenizer(_config)?\.json|chat_template\.(jinja|json)|model[\w.-]*\.safetensors(\.index\.json)?)$/;

/**
 * Fetches a model's files that are not in the cache yet, and returns the path of its snapshot folder, or of
 * the one GGUF file asked for. The branch is written down last, so that an offline run finds whole models only.
 * Throws `model_path_missing` for what the Hub does not have, `download_failed` or `disk_full`.
 */
export async function fetchModel(
  model: HubModel,
  settings: HubConfig,
  { signal, onProgress }: FetchOptions = {},
): Promise<string> {
  const hub = {
    hubUrl: settings.endpoint,
    fetch: ((input, init) => fetch(input, { ...init, signal: signal ?? null })) satisfies typeof fetch,
    ...(settings.token === undefined ? {} : { accessToken: settings.token }),
  };
  const cache = hubCache(settings.cache, model.id);
  const { sha } = await modelInfo({ ...hub, name: model.id, revision: 'main', additionalFields: ['sha'] });
  const commit = checkedHash(sha);
  const repository = { ...hub, repo: model.id, revision: commit };
  const snapshot = join(cache.snapshots, commit);

  for (const entry of await chooseFiles(model, listFiles({ ...repository, recursive: true }))) {
    if (await isWhole(join(snapshot, entry.path), entry.size)) continue;
    const blob = join(cache.blobs, checkedHash(entry.lfs?.oid ?? entry.oid));
    if (!(await isWhole(blob, entry.size))) {
      const content = await downloadFile({ ...repository, path: entry.path });
      if (content === null)
        throw new ServingError('download_failed', `${entry.path} is listed but not there`);
      await mkdir(cache.blobs, { recursive: true });
      await writeBlob(blob, entry, content.stream(), onProgress);
    }
    await link(blob, join(snapshot, entry.path));
  }
  await mkdir(dirname(cache.main), { recursive: true });
  await writeWhole(cache.main, (file) => file.writeFile(commit), incomplete(cache.main));
  return model.file === undefined ? snapshot : join(snapshot, model.file);
}

/**
 * The files of a folder model, or the one that is asked for. Names and hashes come from the network and
 * become paths, hence only plain names (here) and hexadecimal hashes (`checkedHash`).
 */
async function chooseFiles(model: HubModel, listed: AsyncIterable<ListFileEntry>): Promise<ListFileEntry[]> {
  const chosen: ListFileEntry[] = [];
  for await (const entry of listed) {
    if (entry.type !== 'file') continue;
    if (model.file === undefined ? MODEL_FILES.test(entry.path) : entry.path === model.file)
      chosen.push(entry);
  }
  if (model.file !== undefined && chosen.length === 0) {
    throw new ServingError('model_path_missing', `${model.id} has no file ${model.file}`);
  }
  if (model.file === undefined && !chosen.some(({ path }) => path.endsWith('.safetensors'))) {
    throw new ServingError('not_a_checkpoint', `${model.id} has no safetensors`, {
      hint: 'name one of its GGUF files, such as org/name:file.gguf',
    });
  }
  return chosen;
}

function checkedHash(hash: string | undefined): string {
  if (hash !== undefined && /^([0-9a-f]{40}|[0-9a-f]{64})$/.test(hash)) return hash;
  throw new ServingError('download_failed', 'the Hub answered without the hash of a commit or file');
}

async function isWhole(path: string, size: number): Promise<boolean> {
  const found = await stat(path).catch(() => undefined);
  return found?.size === size;
}

/** Puts the link in place of whatever has its name, at once. */
async function link(blob: string, path: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  const temporary = incomplete(path);
  await symlink(relative(dirname(path), blob), temporary);
  await rename(temporary, path);
}

/** A name of this process alone: others may fetch the same model. */
const incomplete = (path: string): string => `${path}.${process.pid}.incomplete`;

/** Writes what arrives; the file gets its name once size and digest, which only large files are listed with, are right. */
async function writeBlob(
  blob: string,
  { path: name, size, lfs }: ListFileEntry,
  stream: AsyncIterable<Uint8Array>,
  onProgress: FetchOptions['onProgress'],
): Promise<void> {
  const damaged = (problem: string): ServingError =>
    new ServingError('download_failed', `${name} did not arrive whole: ${problem}`);
  const write = async (file: FileHandle): Promise<void> => {
    const hash = createHash('sha256');
    let received = 0;
    for await (const chunk of stream) {
      await file.writeFile(chunk);
      hash.update(chunk);
      received += chunk.length;
      onProgress?.({ file: name, received, total: size });
    }
    if (received !== size) throw damaged(`${received} bytes arrived, not ${size}`);
    if (lfs !== undefined && hash.digest('hex') !== lfs.oid) throw damaged('its sha256 differs');
  };
  await writeWhole(blob, write, incomplete(blob));
}
