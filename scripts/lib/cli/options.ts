import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { InvalidArgumentError, Option } from 'commander';
import { parseStageId } from '../../../services/lib/config/app-id.js';
import { ServingError } from '../../../services/lib/errors/serving-error.js';

/** A parser of arguments that are whole numbers in `[min, max]`. */
export const wholeNumber =
  (min: number, max: number) =>
  (text: string): number => {
    const value = Number(text);
    if (text.trim() !== '' && Number.isInteger(value) && value >= min && value <= max) return value;
    throw new InvalidArgumentError(`It must be a whole number from ${min} to ${max}.`);
  };

export function positive(text: string): number {
  const value = Number(text);
  if (text !== '' && Number.isFinite(value) && value > 0) return value;
  throw new InvalidArgumentError('It must be a number above 0.');
}

export const oneOf =
  <Name extends string>(names: readonly Name[]) =>
  (text: string): Name => {
    const found = names.find((name) => name === text);
    if (found !== undefined) return found;
    throw new InvalidArgumentError(`Allowed are ${names.join(', ')}.`);
  };

/** A parser of several arguments with commas between. */
export const listOf =
  <Item>(parse: (text: string) => Item) =>
  (text: string): Item[] =>
    text.split(',').map((item) => parse(item.trim()));

/** For an option that may be repeated. */
export const collect = (value: string, earlier: readonly string[]): string[] => [...earlier, value];

const MOST = 1 << 30;

/** An option that takes a whole number; from 1 up unless `range` says otherwise. */
export function count(
  flags: string,
  description: string,
  fallback?: number,
  range: readonly [min: number, max: number] = [1, MOST],
): Option {
  const option = new Option(flags, description).argParser(wholeNumber(...range));
  return fallback === undefined ? option : option.default(fallback);
}

export const seedOption = (of: string): Option => count('--seed <n>', of, 1, [0, 2 ** 31]);

/** Of a gateway. */
export const DEFAULT_PORT = 8_000;

/** Which local system a command is about, by the port of its gateway. */
export const portOption = (fallback: number = DEFAULT_PORT): Option =>
  count('--port <port>', 'of the gateway, on 127.0.0.1', fallback, [1, 65_535]).env('LAYERMESH_PORT');

export const modelOption = (): Option =>
  new Option('--model <path|hub-id>', 'GGUF file or Hugging Face folder (default: the demo model)').argParser(
    callerModel,
  );

/** The same, for several models. */
export const modelsOption = (): Option =>
  new Option(
    '--model <path|hub-id>',
    'GGUF file or Hugging Face folder (default: the demo model); repeated, one gateway serves them all',
  ).argParser((value: string, earlier: readonly string[] | undefined) => [
    ...(earlier ?? []),
    callerModel(value),
  ]);

export const stagesOption = (): Option =>
  count('--stages <n>', 'cut the model into so many stages of even cost', undefined, [1, 1_000]);

export const precisionOption = (of = 'of the weights', fallback: 'int8' | 'f32' = 'int8'): Option =>
  new Option('--precision <precision>', of).choices(['int8', 'f32']).default(fallback);

/** Which engine serves, and what a timed one emulates; what is undefined is for the service to decide. */
export interface EngineOptions {
  readonly engine: 'onnx' | 'timed';
  readonly device?: string;
  readonly shape?: string;
  readonly start?: string;
  readonly storageGbps?: number;
  readonly dilate?: number;
  readonly hopMs?: number;
}

/** Each has a LAYERMESH variable of the same meaning; the service checks what they say. */
export const engineOptions = (): Option[] => [
  new Option('--engine <engine>', 'onnx computes; timed takes the time of a GPU, and computes nothing')
    .choices(['onnx', 'timed'])
    .default('onnx')
    .env('LAYERMESH_ENGINE'),
  new Option('--device <name>', 'timed: the GPU, such as a100-40g').env('LAYERMESH_DEVICE'),
  new Option('--shape <name>', 'timed: of the model, such as llama-2-13b').env('LAYERMESH_SHAPE'),
  new Option('--start <preset>', 'timed: how long a stage takes to start: none, stock or fast-loader').env(
    'LAYERMESH_START',
  ),
  new Option('--storage-gbps <b>', 'timed: GB/s that replicas share which load at once (default: of --start)')
    .argParser(positive)
    .env('LAYERMESH_STORAGE_GBPS'),
  count(
    '--dilate <k>',
    'timed: everything that is modelled takes k times as long',
    undefined,
    [1, 1_000],
  ).env('LAYERMESH_DILATE'),
  new Option('--hop-ms <h0>', 'timed: an uncontended hop, which dilated takes k times as long')
    .argParser(positive)
    .env('LAYERMESH_HOP_MS'),
];

/** What the services are told of it. */
export function engineEnvironment(options: Partial<EngineOptions>): Record<string, string> {
  const { engine = 'onnx', device, shape, start, storageGbps, dilate, hopMs } = options;
  if (engine === 'onnx') return { LAYERMESH_ENGINE: engine };
  return {
    LAYERMESH_ENGINE: engine,
    // It has no weights that would be read faster.
    GLIBC_TUNABLES: '',
    ...(device !== undefined && { LAYERMESH_DEVICE: device }),
    ...(shape !== undefined && { LAYERMESH_SHAPE: shape }),
    ...(start !== undefined && { LAYERMESH_START: start }),
    ...(storageGbps !== undefined && { LAYERMESH_STORAGE_GBPS: String(storageGbps) }),
    ...(dilate !== undefined && { LAYERMESH_DILATE: String(dilate) }),
    ...(hopMs !== undefined && { LAYERMESH_HOP_MS: String(hopMs) }),
  };
}

export const meshOption = (what = 'how the services reach each other'): Option =>
  new Option('--mesh <mesh>', what).choices(['dapr', 'direct']).default('dapr');

/**
 * A path as the user meant it: npm runs commands in the repository, wherever the user stands, and tells in INIT_CWD
 * where that is.
 */
export function callerPath(path: string): string {
  return resolve(process.env['INIT_CWD'] ?? '', path);
}

/** A model's path as the user meant it; what is neither there nor looks like a path is a Hub id, and stays as it is. */
export function callerModel(model: string): string {
  const path = callerPath(model);
  return existsSync(path) || /^[./]|^[^:]+\.gguf$/.test(model) ? path : model;
}

const MOST_REPLICAS = 64;

/** How many replicas each app-id has; one where it is not named. */
export type ReplicaCounts = ReadonlyMap<string, number>;

/** Parses `stage-1=2` and the like; throws `invalid_config` for another form. */
export function parseReplicaCounts(assignments: readonly string[]): ReplicaCounts {
  const pairs = assignments.map((assignment): [string, number] => {
    const [, appId = '', replicas = ''] = /^([^=]+)=(\d+)$/.exec(assignment) ?? [];
    const number = Number(replicas);
    if (parseStageId(appId) !== null && number >= 1 && number <= MOST_REPLICAS) return [appId, number];
    throw new ServingError('invalid_config', `"${assignment}" names no stage and its replicas`, {
      hint: `such as stage-1=2; from 1 to ${MOST_REPLICAS} replicas`,
    });
  });
  return new Map(pairs);
}

/** Throws `invalid_config` unless every app-id is one of these stages. */
export function requireStages(counts: ReadonlyMap<string, unknown>, stages: readonly string[]): void {
  for (const appId of counts.keys()) {
    if (stages.includes(appId)) continue;
    throw new ServingError('invalid_config', `there is no ${appId}`, {
      hint: `the last stage is ${stages.at(-1)}`,
    });
  }
}
