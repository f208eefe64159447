import { open, type FileHandle } from 'node:fs/promises';
import { basename } from 'node:path';
import { samplingOfGguf } from '../sampling-defaults.js';
import { ServingError } from '../../errors/serving-error.js';
import { architectureOfGguf } from '../architectures/find-architecture.js';
import { collectWarnings, matchTensors, type OpenedModel } from '../checkpoint/opened-model.js';
import { readTensor, type StoredTensor } from '../checkpoint/stored-tensor.js';
import { tokenizerFromGguf } from './tokenizer.js';
import { readGgufHeader } from './read-header.js';

/** Opens a GGUF file; its tensors are read from the one handle that `close` closes. */
export async function openGguf(path: string, signal?: AbortSignal): Promise<OpenedModel> {
  const file = await open(path);
  try {
    return await describe(path, file, signal);
  } catch (reason) {
    await file.close();
    throw reason;
  }
}

async function describe(path: string, file: FileHandle, signal?: AbortSignal): Promise<OpenedModel> {
  const { metadata, tensors: stored } = await readGgufHeader(file, signal);
  const name = metadata['general.architecture'];
  if (typeof name !== 'string') {
    throw new ServingError('checkpoint_invalid', 'the GGUF metadata lacks general.architecture');
  }
  const { gguf } = architectureOfGguf(name);
  const { warnings, warn } = collectWarnings();
  const config = gguf.config(metadata, {
    fallbackName: basename(path, '.gguf'),
    shapes: new Map([...stored].map(([tensor, { shape }]) => [tensor, shape])),
    warn,
    ropeFactors: await readRopeFactors(stored.get('rope_freqs.weight')),
  });
  return {
    config,
    tensors: matchTensors(config, gguf, stored),
    interleavedRotary: gguf.interleavedRotary,
    warnings,
    text: tokenizerFromGguf(metadata, config.vocabulary, warn),
    sampling: samplingOfGguf(metadata, warn),
    files: [path],
    close: () => file.close(),
  };
}

async function readRopeFactors(tensor: StoredTensor | undefined): Promise<number[] | null> {
  if (tensor === undefined) return null;
  if (tensor.shape.length !== 1)
    throw new ServingError('checkpoint_invalid', 'rope_freqs.weight is not a vector');
  return [...(await readTensor(tensor))];
}
