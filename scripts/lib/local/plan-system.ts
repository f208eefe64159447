import { basename } from 'node:path';
import { read } from '../../../services/lib/config/environment.js';
import { gateway, timed } from '../../../services/lib/config/variables.js';
import { CostModel } from '../../../services/lib/engine/timed/cost-model.js';
import { deviceProfile } from '../../../services/lib/engine/timed/device-profile.js';
import { modelShape } from '../../../services/lib/model/shapes/model-shape.js';
import type { Precision } from '../../../services/lib/engine/types.js';
import type { ModelConfig } from '../../../services/lib/model/types.js';
import { evenSplit, parseSplit, stageRanges } from '../../../services/lib/model/split.js';
import { ensureDaprdStep } from './daprd.js';
import type { SystemOptions } from './local-system.js';
import { locateModel, prepare } from '../model/prepare.js';
import { engineEnvironment, parseReplicaCounts, requireStages, type ReplicaCounts } from '../cli/options.js';
import { readRunFile, type RunFile } from './run-file.js';
import { requireFreePort } from './run-state.js';
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
  const { port, precision = 'int8' } = options;
  if (port !== undefined) await requireFreePort(port);
  const replicas = parseReplicaCounts(options.replicas ?? []);
  const env = environmentOf(options);
  const runFile = await readRunFile();
  const engine = engineEnvironment(options);
  const [daprd, model] = await Promise.all([
    options.mesh === 'direct' ? null : findDaprd(signal),
    options.engine === 'timed' ? findShape(engine) : findModel(options.model, precision, signal),
  ]);
  const { config, served, path } = model;
  const split = chooseSplit(path === null ? options : { ...options, model: path }, config, runFile);
  requireStages(replicas, split.length + 1);
  return {
    served: { ...engine, ...served },
    ...(options.engine === 'timed' && { startSeconds: longestStart(engine, split, replicas) }),
    modelName: path === null ? (runFile.gateway.env['LAYERMESH_MODEL_NAME'] ?? '') : basename(path),
    split,
    replicas,
    daprd,
    ...(port !== undefined && { port }),
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
  read(gateway.pick({ LAYERMESH_MODEL_ALIASES: true }), aliases);
  return {
    ...(kvTokens !== undefined && { LAYERMESH_KV_TOKENS: String(kvTokens) }),
    ...(threads !== undefined && { LAYERMESH_THREADS: String(threads) }),
    ...(alias.length > 0 && aliases),
    ...(keys !== undefined && { LAYERMESH_KEYS_FILE: keys }),
    ...(insecure && { LAYERMESH_INSECURE: '1' }),
  };
}

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
  const pods = costs.reduce((sum, _, stage) => sum + (replicas.get(`stage-${stage}`) ?? 1), 0);
  const { LAYERMESH_START: start, LAYERMESH_STORAGE_GBPS: storage, LAYERMESH_DILATE: dilation } = set;
  if (start === 'none') return 0;
  return dilation * Math.max(...costs.map((cost) => cost.startSeconds(start, pods, storage)));
}

async function findDaprd(signal: AbortSignal): Promise<string | null> {
  const daprd = await ensureDaprdStep(signal);
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
  { model, split, stages }: Pick<UpOptions, 'model' | 'split' | 'stages'>,
  config: ModelConfig,
  runFile: RunFile,
): number[] {
  const text = split ?? (model === undefined ? runFile.stages[0]!.env['LAYERMESH_SPLIT'] : undefined);
  if (stages !== undefined || text === undefined) return evenSplit(config, stages ?? runFile.stages.length);
  return parseSplit(text, config.layers)
    .slice(1)
    .map(({ start }) => start);
}
