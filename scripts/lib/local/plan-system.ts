import { basename } from 'node:path';
import { MESH_NAME, stageId, stageIds } from '../../../services/lib/config/app-id.js';
import { read } from '../../../services/lib/config/environment.js';
import { model as modelVariables } from '../../../services/lib/config/gateway-variables.js';
import { timed } from '../../../services/lib/config/variables.js';
import { CostModel } from '../../../services/lib/engine/timed/cost-model.js';
import { deviceProfile } from '../../../services/lib/engine/timed/device-profile.js';
import { modelShape } from '../../../services/lib/model/shapes/model-shape.js';
import type { Precision } from '../../../services/lib/engine/types.js';
import type { ModelConfig } from '../../../services/lib/model/types.js';
import { evenSplit, parseSplit, stageRanges } from '../../../services/lib/model/split.js';
import { ensureDaprdStep } from './daprd.js';
import type { SystemOptions } from './local-system.js';
import type { FurtherModel, SystemModel } from './system-models.js';
import { ServingError } from '../../../services/lib/errors/serving-error.js';
import { locateModel, prepare } from '../model/prepare.js';
import { engineEnvironment, parseReplicaCounts, requireStages, type ReplicaCounts } from '../cli/options.js';
import { readRunFile, type RunFile } from './run/run-file.js';
import { requireFreePort } from './run/run-state.js';
import { requireStateStore, type RedisStore } from './state-store.js';
import { findTelemetryPrograms, missingPrograms, type TelemetryPrograms } from './telemetry/programs.js';
import type { UpOptions } from './up-options.js';

/**
 * Makes everything available that a system needs, each step skipped when it is done already, and says what to
 * start: in int8 over Dapr, one replica of each stage and on a free port, where the options do not say. Values that cannot
 * be are refused before the first long step, as far as they can be checked by then.
 */
export async function planSystem(
  options: Partial<Omit<UpOptions, 'detach'>>,
  signal: AbortSignal,
): Promise<SystemOptions> {
  const { port, precision = 'int8', state = 'sqlite' } = options;
  if (port !== undefined) await requireFreePort(port);
  if (state !== 'sqlite') await requireUsable(state, options.mesh, signal);
  const replicas = parseReplicaCounts(options.replicas ?? []);
  const env = environmentOf(options);
  const runFile = await readRunFile();
  const engine = engineEnvironment(options);
  const [model, ...further] = [options.model].flat();
  if (further.length > 0 && options.engine === 'timed') {
    throw new ServingError('invalid_config', 'an engine that only takes time serves one shape', {
      hint: 'give --model with --engine onnx',
    });
  }
  const [daprd, found] = await Promise.all([
    options.mesh === 'direct' ? null : findDaprd(signal, state !== 'sqlite'),
    options.engine === 'timed' ? findShape(engine) : findModel(model, precision, signal),
  ]);
  const systemModel = ({ config, served, path }: FoundModel, cut: Cut): SystemModel => ({
    served: { ...engine, ...served },
    modelName: path === null ? (runFile.gateway.env['LAYERMESH_MODEL_NAME'] ?? '') : basename(path),
    split: chooseSplit(path === null ? cut : { ...cut, model: path }, config, runFile),
  });
  const first = systemModel(found, options);
  const furtherModels: FurtherModel[] = [];
  const cut = options.stages === undefined ? {} : { stages: options.stages };
  // One after the other: each is prepared with all processors.
  for (const path of further) {
    const next = systemModel(await findModel(path, precision, signal), cut);
    furtherModels.push({ ...next, meshName: meshNameOf(next.modelName) });
  }
  const all = [{ ...first, meshName: '' }, ...furtherModels];
  requireDifferentNames(all);
  requireStages(
    replicas,
    all.flatMap(({ meshName, split }) => stageIds(meshName, split.length + 1)),
  );
  return {
    ...first,
    ...(furtherModels.length > 0 && { furtherModels }),
    ...(options.engine === 'timed' && { startSeconds: longestStart(engine, first.split, replicas) }),
    replicas,
    daprd,
    ...(port !== undefined && { port }),
    state,
    telemetry: options.trace === true ? findTelemetry() : null,
    env,
  };
}

/** What the services are told by variables. Throws `invalid_config` for an alias that the gateway would not take. */
function environmentOf({
  kvTokens,
  threads,
  alias = [],
  keys,
  insecure = false,
}: Partial<UpOptions>): Record<string, string> {
  const aliases = { LAYERMESH_MODEL_ALIASES: alias.join(',') };
  read(modelVariables.pick({ LAYERMESH_MODEL_ALIASES: true }), aliases);
  return {
    ...(kvTokens !== undefined && { LAYERMESH_KV_TOKENS: String(kvTokens) }),
    ...(threads !== undefined && { LAYERMESH_THREADS: String(threads) }),
    ...(alias.length > 0 && aliases),
    ...(keys !== undefined && { LAYERMESH_KEYS_FILE: keys }),
    ...(insecure && { LAYERMESH_INSECURE: '1' }),
  };
}

/** What the stages of a model are called before `-stage-0`: its name, as far as that can stand in a name of DNS. */
export function meshNameOf(modelName: string): string {
  const plain = modelName
    .toLowerCase()
    .replace(/\.gguf$/, '')
    .replace(/[^a-z0-9]+/g, '-')
    .slice(0, 32)
    .replace(/^[^a-z]+|-+$/g, '');
  return MESH_NAME.test(plain) ? plain : 'model';
}

/** Throws `invalid_config` for two models that could not be told apart, by clients or by their stages. */
function requireDifferentNames(models: readonly FurtherModel[]): void {
  for (const names of [models.map(({ modelName }) => modelName), models.map(({ meshName }) => meshName)]) {
    const double = names.find((name, index) => names.indexOf(name) !== index);
    if (double === undefined) continue;
    throw new ServingError('invalid_config', `two models would be called "${double}"`, {
      hint: 'rename the file or the folder of one',
    });
  }
}

type Cut = Pick<UpOptions, 'split' | 'stages'>;

interface FoundModel {
  /** Null of the demo model. */
  readonly path: string | null;
  readonly config: ModelConfig;
  readonly served: Readonly<Record<string, string>>;
}

async function findModel(
  model: string | undefined,
  precision: Precision,
  signal: AbortSignal,
): Promise<FoundModel> {
  const path = await locateModel(model, signal);
  const { directory, config } = await prepare(path, precision, signal);
  const served = { LAYERMESH_PREPARED: directory, LAYERMESH_PRECISION: precision };
  return { path: model === undefined ? null : path, config, served };
}

function findShape(engine: Readonly<Record<string, string>>): FoundModel {
  const { LAYERMESH_SHAPE: shape } = read(timed, engine);
  return { path: shape, config: modelShape(shape), served: {} };
}

/** Of all stages at once, seconds. Throws `invalid_config` where one does not fit its device. */
function longestStart(
  engine: Readonly<Record<string, string>>,
  split: readonly number[],
  replicas: ReplicaCounts,
): number {
  const set = read(timed, engine);
  const config = modelShape(set.LAYERMESH_SHAPE);
  const device = deviceProfile(set.LAYERMESH_DEVICE);
  const costs = stageRanges(split, config.layers).map((range) => new CostModel(config, device, range));
  const pods = costs.reduce((sum, _, stage) => sum + (replicas.get(stageId('', stage)) ?? 1), 0);
  const { LAYERMESH_START: start, LAYERMESH_STORAGE_GBPS: storage, LAYERMESH_DILATE: dilation } = set;
  if (start === 'none') return 0;
  return dilation * Math.max(...costs.map((cost) => cost.startSeconds(start, pods, storage)));
}

/** Throws `invalid_config` for a Redis that nothing would use, or that cannot be. */
async function requireUsable(
  store: RedisStore,
  mesh: UpOptions['mesh'] | undefined,
  signal: AbortSignal,
): Promise<void> {
  if (mesh === 'direct') {
    throw new ServingError('invalid_config', 'a direct mesh has no state store', {
      hint: 'leave --state away, or take --mesh dapr',
    });
  }
  await requireStateStore(store, signal);
}

/** Null where there is none; throws `sidecar_missing` where the mesh cannot do without. */
async function findDaprd(signal: AbortSignal, required: boolean): Promise<string | null> {
  const daprd = await ensureDaprdStep(signal);
  if (daprd === null && required) {
    throw new ServingError('sidecar_missing', 'a Redis is reached through Dapr, and there is no daprd 1.18', {
      hint: 'install it (https://docs.dapr.io) or Go, or leave --state away',
    });
  }
  if (daprd === null) {
    console.error(
      'warning[sidecar_missing]: serving with --mesh direct, for there is no daprd 1.18 and no Go to build it ' +
        '(get Dapr with `dapr init --slim`, https://docs.dapr.io, or install Go)',
    );
  }
  return daprd;
}

/** What there is of it: a warning for each program that is missing, and traces as far as they go without. */
function findTelemetry(): TelemetryPrograms {
  const programs = findTelemetryPrograms();
  for (const missing of missingPrograms(programs)) console.error(missing.toLine('warning'));
  return programs;
}

/** The boundaries asked for; else those of the run file for its own model, and as many stages of even cost for others. */
export function chooseSplit(
  { model, split, stages }: Cut & { readonly model?: string | undefined },
  config: ModelConfig,
  runFile: RunFile,
): number[] {
  const text = split ?? (model === undefined ? runFile.stages[0]!.env['LAYERMESH_SPLIT'] : undefined);
  if (stages !== undefined || text === undefined) return evenSplit(config, stages ?? runFile.stages.length);
  return parseSplit(text, config.layers)
    .slice(1)
    .map(({ start }) => start);
}
