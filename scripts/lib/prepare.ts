import { prepareCheckpoint, type PreparedModel } from '../../services/lib/engine/prepare/prepare-model.js';
import type { PrepareProgress } from '../../services/lib/engine/prepare/write-shards.js';
import type { Precision } from '../../services/lib/engine/types.js';
import { openCheckpoint } from '../../services/lib/model/open-checkpoint.js';
import { loadTokenizer } from '../../services/lib/model/text/tokenizer.js';
import { resolveModel } from '../../services/lib/model/resolve-model.js';
import { cacheDirectory } from '../bootstrap/cache.mjs';
import { withLock } from '../bootstrap/lock.mjs';
import { runStep } from '../bootstrap/step.mjs';
import { setDefaultModel } from './default-model.js';
import { ensureDemoModel } from './demo-model.js';

/** The model's file or folder on this machine: the demo model where none is named. */
export function locateModel(model: string | undefined, signal: AbortSignal): Promise<string> {
  if (model === undefined)
    return runStep('demo model', (onProgress) => ensureDemoModel({ signal, onProgress }));
  return runStep('model', (update) =>
    resolveModel(model, {
      signal,
      onProgress: ({ file, received, total }) =>
        update(`${file}, ${megabytes(received)} of ${megabytes(total)}`),
    }),
  );
}

const megabytes = (bytes: number): string => `${(bytes / 1e6).toFixed(0)} MB`;

/**
 * Prepared shards of a model, which become the default of services that are told of none. Only who wants the same
 * model waits for another process that prepares it.
 */
export async function prepare(
  path: string,
  precision: Precision,
  signal: AbortSignal,
): Promise<PreparedModel> {
  const cache = cacheDirectory();
  const prepared = await runStep(`${precision} shards`, async (update) => {
    const checkpoint = await openCheckpoint(path, signal);
    const onProgress = ({ done, total }: PrepareProgress): void => update(`${done} of ${total}`);
    try {
      // What the gateway would refuse is refused before hours of work, not after.
      loadTokenizer(checkpoint.text, checkpoint.config.vocabulary);
      return await withLock(
        `${cache}/locks/prepare-${checkpoint.digest}`,
        () => prepareCheckpoint(checkpoint, { precision, cache, signal, onProgress }),
        { signal, onWait: (owner) => update(`waiting for ${owner}`) },
      );
    } finally {
      await checkpoint.close();
    }
  });
  await setDefaultModel(prepared.directory);
  return prepared;
}
