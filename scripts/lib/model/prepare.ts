import { prepareCheckpoint, type PreparedModel } from '../../../services/lib/engine/prepare/prepare-model.js';
import type { ServingError } from '../../../services/lib/errors/serving-error.js';
import type { Precision } from '../../../services/lib/engine/types.js';
import { openCheckpoint } from '../../../services/lib/model/open-checkpoint.js';
import { resolveModel } from '../../../services/lib/model/hub/resolve-model.js';
import { cacheDirectory } from '../../bootstrap/cache.mjs';
import { withLock } from '../../bootstrap/lock.mjs';
import { runStep } from '../../bootstrap/step.mjs';
import type { LongStepOptions } from '../cli/command.js';
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

/** Prepared shards of a model, as a step of a command. */
export async function prepare(
  path: string,
  precision: Precision,
  signal: AbortSignal,
): Promise<PreparedModel> {
  const { prepared, warnings } = await runStep(`${precision} shards`, (onProgress) =>
    prepareShards(path, precision, { signal, onProgress }),
  );
  for (const warning of warnings) console.error(warning.toLine('warning'));
  return prepared;
}

/**
 * Prepared shards of a model, and what is odd about it. Only who wants the same model waits for another process that
 * prepares it.
 */
export async function prepareShards(
  path: string,
  precision: Precision,
  { signal, onProgress }: LongStepOptions = {},
): Promise<{ readonly prepared: PreparedModel; readonly warnings: readonly ServingError[] }> {
  const cache = cacheDirectory();
  const checkpoint = await openCheckpoint(path, signal);
  try {
    const prepared = await withLock(
      `${cache}/locks/prepare-${checkpoint.digest}`,
      () =>
        prepareCheckpoint(checkpoint, {
          precision,
          cache,
          sampling: samplingOf(checkpoint.digest),
          ...(signal && { signal }),
          onProgress: ({ done, total }) => onProgress?.(`${done} of ${total}`),
        }),
      { signal, onWait: (owner) => onProgress?.(`waiting for ${owner}`) },
    );
    return { prepared, warnings: checkpoint.warnings };
  } finally {
    await checkpoint.close();
  }
}
