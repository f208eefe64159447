import { stat } from 'node:fs/promises';
import { cacheDirectory } from '../config/config.js';
import { ServingError } from '../errors/serving-error.js';
import { CheckpointReader } from './checkpoint/checkpoint-reader.js';
import { rememberedDigest } from './checkpoint/digest.js';
import type { OpenedModel } from './checkpoint/opened-model.js';
import { openGguf } from './gguf/open-gguf.js';
import { openFolder } from './safetensors/open-folder.js';
import { loadTokenizer } from './text/tokenizer.js';

/**
 * Opens a GGUF file or a Hugging Face folder. All that its headers declare is checked here, so reads of a
 * file that stays as it is succeed; the caller closes it. `cache` is the folder that remembers digests.
 * Throws `model_path_missing`, `not_a_checkpoint`, `checkpoint_truncated`, `checkpoint_invalid`,
 * `unsupported_architecture`, `unsupported_quantization` or `unsupported_tokenizer`.
 */
export async function openCheckpoint(
  path: string,
  signal?: AbortSignal,
  cache: string = cacheDirectory(),
): Promise<CheckpointReader> {
  const model = await open(path, signal);
  try {
    // Before anything is prepared for a gateway that could not load it.
    const tokenizer = loadTokenizer(model.text);
    const digest = await rememberedDigest(path, model.files, cache, signal);
    return new CheckpointReader(model, digest, tokenizer);
  } catch (reason) {
    await model.close();
    throw reason;
  }
}

async function open(path: string, signal?: AbortSignal): Promise<OpenedModel> {
  try {
    const found = await stat(path);
    if (found.isDirectory()) return await openFolder(path, signal);
    if (found.isFile()) return await openGguf(path, signal);
  } catch (reason) {
    const { syscall, message } = reason as NodeJS.ErrnoException;
    if (syscall === undefined) throw reason;
    throw new ServingError('model_path_missing', `${path} cannot be read: ${message}`, { cause: reason });
  }
  // A pipe or a device could be read without end.
  throw new ServingError('not_a_checkpoint', `${path} is neither a file nor a folder`);
}
