import { mkdir, rename, stat, symlink, writeFile } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { downloadFile, listFiles, modelInfo, type ListFileEntry } from '@huggingface/hub';
import type { HubConfig } from '../../config/config.js';
import { ServingError } from '../../errors/serving-error.js';
import { downloadBlob } from './download-blob.js';
import { hubCache, type HubCache } from './hub-cache.js';
import type { HubModel } from './hub-model.js';

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
  const snapshot = join(cache.snapshots, commit);

  for (const entry of await chooseFiles(
    model,
    listFiles({ ...hub, repo: model.id, revision: commit, recursive: true }),
  )) {
    if (await isWhole(join(snapshot, entry.path), entry.size)) continue;
    const blob = join(cache.blobs, checkedHash(entry.lfs?.oid ?? entry.oid));
    if (!(await isWhole(blob, entry.size))) {
      const content = await downloadFile({ ...hub, repo: model.id, path: entry.path, revision: commit });
      if (content === null)
        throw new ServingError('download_failed', `${entry.path} is listed but not there`);
      await mkdir(cache.blobs, { recursive: true });
      let received = 0;
      await downloadBlob(
        content.stream(),
        blob,
        { name: entry.path, size: entry.size, sha256: entry.lfs?.oid },
        (bytes) => onProgress?.({ file: entry.path, received: (received += bytes), total: entry.size }),
      );
    }
    await link(blob, join(snapshot, entry.path));
  }
  await writeMain(cache, commit);
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
  const temporary = `${path}.${process.pid}.incomplete`;
  await symlink(relative(dirname(path), blob), temporary);
  await rename(temporary, path);
}

async function writeMain(cache: HubCache, commit: string): Promise<void> {
  await mkdir(dirname(cache.main), { recursive: true });
  const temporary = `${cache.main}.${process.pid}.incomplete`;
  await writeFile(temporary, commit);
  await rename(temporary, cache.main);
}
