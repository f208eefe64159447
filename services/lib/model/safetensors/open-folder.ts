import { open, readdir, type FileHandle } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { z } from 'zod';
import { ServingError } from '../../errors/serving-error.js';
import type { Architecture } from '../architectures/architecture.js';
import { architectureOfClass, architectureOfModelType } from '../architectures/find-architecture.js';
import { snapshotModel } from '../hub/hub-model.js';
import { collectWarnings, matchTensors, type OpenedModel } from '../checkpoint/opened-model.js';
import { parseFields, readJson } from '../checkpoint/metadata.js';
import type { StoredTensor } from '../checkpoint/stored-tensor.js';
import { readSafetensorsHeader } from './read-header.js';
import { samplingOfFolder } from '../sampling-defaults.js';
import { GENERATION_CONFIG, readFolderText, readGenerationConfig, TEXT_FILES } from './folder-text.js';

const INDEX = 'model.safetensors.index.json';
const SINGLE = 'model.safetensors';

const modelSchema = z.object({
  architectures: z.array(z.string()).default([]),
  model_type: z.string().optional(),
  quantization_config: z.looseObject({ quant_method: z.string().default('an unnamed method') }).optional(),
});
/** Names only: an index must not point out of its folder. */
const indexSchema = z.object({
  weight_map: z.record(
    z.string(),
    z.string().regex(/^[\w.-]+\.safetensors$/, 'not the name of a safetensors file'),
  ),
});

/** Opens a Hugging Face folder: config.json and safetensors, whole or sharded. `close` closes its files. */
export async function openFolder(path: string, signal?: AbortSignal): Promise<OpenedModel> {
  const json = await readJson(join(path, 'config.json'), signal);
  if (json === undefined) throw new ServingError('not_a_checkpoint', `${path} has no config.json`);
  const { huggingFace } = architectureOf(json);
  const weightFiles = await listWeightFiles(path, signal);

  const handles: FileHandle[] = [];
  const close = async () => {
    await Promise.all(handles.map((handle) => handle.close()));
  };
  try {
    const stored = new Map<string, StoredTensor>();
    for (const name of weightFiles) {
      const handle = await openWeights(join(path, name));
      handles.push(handle);
      for (const tensor of await readSafetensorsHeader(handle, name)) {
        if (stored.has(tensor.name)) {
          throw new ServingError('checkpoint_invalid', `two files hold the tensor "${tensor.name}"`);
        }
        stored.set(tensor.name, tensor);
      }
    }
    const { warnings, warn } = collectWarnings();
    const config = huggingFace.config(json, {
      fallbackName: snapshotModel(resolve(path)) ?? basename(resolve(path)),
      shapes: new Map([...stored].map(([name, { shape }]) => [name, shape])),
      warn,
    });
    const generation = await readGenerationConfig(path, signal);
    const present = new Set(await readdir(path));
    return {
      config,
      tensors: matchTensors(config, huggingFace, stored),
      interleavedRotary: false,
      warnings,
      text: await readFolderText(path, json, generation, { rows: config.vocabulary, warn, signal }),
      sampling: samplingOfFolder(generation, warn),
      files: ['config.json', GENERATION_CONFIG, ...TEXT_FILES, ...weightFiles]
        .filter((name) => present.has(name))
        .map((name) => join(path, name)),
      close,
    };
  } catch (reason) {
    await close();
    throw reason;
  }
}

/** Throws `unsupported_architecture` or `unsupported_quantization`. */
function architectureOf(json: unknown): Architecture {
  const fields = parseFields(modelSchema, json, 'config.json');
  if (fields.quantization_config !== undefined) {
    throw new ServingError(
      'unsupported_quantization',
      `the weights are quantised by ${fields.quantization_config.quant_method}`,
      { hint: 'use the F32, F16 or BF16 folder, or a GGUF' },
    );
  }
  const [name] = fields.architectures;
  if (name !== undefined) return architectureOfClass(name);
  if (fields.model_type !== undefined) return architectureOfModelType(fields.model_type);
  throw new ServingError('checkpoint_invalid', 'config.json has neither architectures nor model_type');
}

async function listWeightFiles(folder: string, signal?: AbortSignal): Promise<string[]> {
  const index = await readJson(join(folder, INDEX), signal);
  if (index === undefined) return [SINGLE];
  return [...new Set(Object.values(parseFields(indexSchema, index, INDEX).weight_map))].sort();
}

async function openWeights(path: string): Promise<FileHandle> {
  try {
    return await open(path);
  } catch (reason) {
    if ((reason as NodeJS.ErrnoException).code !== 'ENOENT') throw reason;
    throw new ServingError('not_a_checkpoint', `${path} is missing`, { cause: reason });
  }
}
