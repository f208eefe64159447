import { withLock } from '../../scripts/bootstrap/lock.mjs';
import {
  prepareCheckpoint,
  type PreparedModel,
  type PrepareOptions,
} from '../../services/lib/engine/prepare/prepare-model.js';
import { samplingOf } from '../../scripts/lib/model/demo-model.js';
import { openCheckpoint } from '../../services/lib/model/open-checkpoint.js';

/** The shards of a GGUF file or a Hugging Face folder, without the progress of the commands, by the same lock. */
export async function prepareModel({
  model,
  ...options
}: PrepareOptions & { readonly model: string }): Promise<PreparedModel> {
  const checkpoint = await openCheckpoint(model);
  try {
    return await withLock(`${options.cache}/locks/prepare-${checkpoint.digest}`, () =>
      prepareCheckpoint(checkpoint, { sampling: samplingOf(checkpoint.digest), ...options }),
    );
  } finally {
    await checkpoint.close();
  }
}
