import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { HubApiError } from '@huggingface/hub';
import { readHubConfig, type HubConfig } from '../../config/config.js';
import type { Environment } from '../../config/environment.js';
import { ServingError } from '../../errors/serving-error.js';
import { fetchModel, type FetchOptions } from './fetch-model.js';
import { hubCache, type HubModel, parseHubModel } from './hub-model.js';

const exists = (path: string): Promise<boolean> =>
  stat(path).then(
    () => true,
    () => false,
  );

/**
 * The local path of a model: of a file or folder as it is, of a Hub id (`org/name`, or `org/name:file.gguf`)
 * after fetching what the cache lacks, or with HF_HUB_OFFLINE from the cache alone. HF_HOME, HF_TOKEN and
 * HF_ENDPOINT mean what they mean to Hugging Face's tools.
 * Throws `model_path_missing`, `not_a_checkpoint`, `download_failed` or `disk_full`.
 */
export async function resolveModel(
  idOrPath: string,
  options: FetchOptions = {},
  environment?: Environment,
): Promise<string> {
  if (await exists(idOrPath)) return idOrPath;
  const model = parseHubModel(idOrPath);
  if (model === undefined)
    throw new ServingError('model_path_missing', `there is no file or folder ${idOrPath}`);
  const settings = readHubConfig(environment);
  if (settings.offline) return findCached(model, settings);
  try {
    return await fetchModel(model, settings, options);
  } catch (reason) {
    options.signal?.throwIfAborted();
    throw hubError(reason, model, settings);
  }
}

async function findCached(model: HubModel, settings: HubConfig): Promise<string> {
  const cache = hubCache(settings.cache, model.id);
  const commit = await readFile(cache.main, 'utf8').catch(() => '');
  const path = join(cache.snapshots, commit.trim(), model.file ?? '');
  if (commit !== '' && (await exists(path))) return path;
  throw new ServingError('model_path_missing', `${model.id} is not in the cache and HF_HUB_OFFLINE is set`, {
    hint: 'unset HF_HUB_OFFLINE once, or give a path',
  });
}

function hubError(reason: unknown, { id }: HubModel, { endpoint }: HubConfig): ServingError {
  const known = ServingError.from(reason);
  if (known.code !== 'internal') return known;
  // The Hub answers 401 for a model that does not exist as for one that is private.
  if (reason instanceof HubApiError && [401, 403, 404].includes(reason.statusCode)) {
    return new ServingError(
      'model_path_missing',
      `there is neither a path ${id} nor such a model on ${endpoint}`,
      {
        hint: 'check the name; for a private or gated model set HF_TOKEN',
        cause: reason,
      },
    );
  }
  return new ServingError('download_failed', `${id} cannot be fetched from ${endpoint}: ${known.message}`, {
    cause: reason,
  });
}
