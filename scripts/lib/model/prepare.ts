import {
  prepareCheckpoint,
  type PreparedModel,
  type PrepareProgress,
} from '../../../services/lib/engine/prepare/prepare-model.js';
import type { ServingError } from '../../../services/lib/errors/serving-error.js';
import type { Precision } from '../../../services/lib/engine/types.js';
import { openCheckpoint } from '../../../services/lib/model/open-checkpoint.js';
import { resolveModel } from '../../../services/lib/model/hub/resolve-model.js';
import { cacheDirectory } from '../../bootstrap/cache.mjs';
import { withLock } from '../../bootstrap/lock.mjs';
import { runStep } from '../../bootstrap/step.mjs';
import { ensureDemoModel, samplingOf } from './demo-model.js';

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

/** Prepared shards of a model. Only who wants the same model waits for another process that prepares it. */
export async function prepare(
  path: string,
  precision: Precision,
  signal: AbortSignal,
): Promise<PreparedModel> {
  const cache = cacheDirectory();
  let warnings: readonly ServingError[] = [];
  const prepared = await runStep(`${precision} shards`, async (update) => {
    const checkpoint = await openCheckpoint(path, signal);
    ({ warnings } = checkpoint);
    const onProgress = ({ done, total }: PrepareProgress): void => update(`${done} of ${total}`);
    const sampling = samplingOf(checkpoint.digest);
    try {
      return await withLock(
        `${cache}/locks/prepare-${checkpoint.digest}`,
        () => prepareCheckpoint(checkpoint, { precision, cache, sampling, signal, onProgress }),
        { signal, onWait: (owner) => update(`waiting for ${owner}`) },
      );
    } finally {
      await checkpoint.close();
    }
  });
  for (const warning of warnings) console.error(warning.toLine('warning'));
  return prepared;
}
