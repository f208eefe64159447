import type { Logger } from 'pino';
import { availableParallelism, hostname } from 'node:os';
import { setTimeout as delay } from 'node:timers/promises';
import type { Tracer } from '@opentelemetry/api';
import { GATEWAY, stageId, stageIds } from '../lib/config/app-id.js';
import type { StageConfig } from '../lib/config/config.js';
import type { OnnxEngineOptions } from '../lib/engine/onnx-engine.js';
import { engineLabel, readPlan } from '../lib/model/plan.js';
import { aloneThreads, cpuQuota, engineThreads, processorsOwner } from '../lib/engine/processors.js';
import { ServingError } from '../lib/errors/serving-error.js';
import { announcedPlan } from '../lib/mesh/identity.js';
import type { Identity } from '../lib/mesh/identity.js';
import { inviteCallers } from '../lib/mesh/invite-callers.js';
import { LinkManager } from '../lib/mesh/link-manager.js';
import { serveLinks } from '../lib/mesh/link-server.js';
import { announcementTroubles, linkRefusals, logLinkTroubles } from '../lib/mesh/log-link-troubles.js';
import { startMesh } from '../lib/mesh/start-mesh.js';
import type { Mesh, MessageStream } from '../lib/mesh/types.js';
import { ownsEmbedding, ownsHead, type LayerRange } from '../lib/model/split.js';
import { layerWeights } from '../lib/model/split.js';
import { listen } from '../lib/process/listen.js';
import { startTracing } from '../lib/telemetry/tracing.js';
import type { Hello } from '../lib/wire/gen/stage_pb.js';
import { now } from './accounts/account.js';
import { createStageMetrics } from './accounts/metrics.js';
import { EngineClient, loadVocabulary, startEngineWorker } from './engine/engine-client.js';
import { createHttpApp, Readiness } from './readiness.js';
import { GroupedScheduler } from './scheduling/grouped-scheduler.js';
import { PlainScheduler, type Scheduler } from './scheduling/scheduler.js';
import { Stage, type StageOptions } from './stage.js';
import { dividePart, type Part } from './step/part.js';
import { modelledStart } from './timed/modelled-start.js';
import { hopPadMs, later } from './timed/padded-hop.js';

/** Between two looks of a replica that is not ready yet at the registry. */
const LOOK_MS = 1_000;

export interface RunningStage {
  /** Resolves with the reason if the engine dies. */
  readonly crashed: Promise<ServingError>;
  /** Takes no new sequences, and waits at most so long for the running ones. */
  drain(seconds: number): Promise<void>;
  close(): Promise<void>;
}

/** Starts a layer service; once this resolves, other processes can find it in the registry. */
export async function startStage(
  config: StageConfig,
  log: Logger,
  signal: AbortSignal,
): Promise<RunningStage> {
  const { model, plan, ranges } = await readPlan(config.served);
  const range = rangeOf(config, ranges);
  const identity = { appId: config.appId, replica: config.replica, host: hostname(), pid: process.pid, plan };

  const shape = { stages: ranges.length, layerWeights: layerWeights(model.config) };
  const threads = config.threads ?? engineThreads(shape);
  // Weights of f32 are four times as large, and nobody serves them for speed: they are held once.
  const isInt8 = config.served.engine === 'onnx' && config.served.precision === 'int8';
  const alone = config.aloneThreads ?? config.threads ?? (isInt8 ? aloneThreads(threads) : threads);
  const started = now();
  const { engine, crashed } = await loadEngine(config, range, { threads, aloneThreads: alone });
  let seconds = now() - started;
  log.info({ range, threads, alone, seconds, rss: process.memoryUsage.rss() }, 'weights loaded');
  if (engine.clock !== null) log.info(`device clock: ${engine.clock}`);
  const mesh = await startMesh(config.mesh, signal, (reason) => log.warn(reason.toLine()));
  const { served } = config;
  const following = ranges[config.index + 1];
  if (served.engine === 'timed') {
    await modelledStart({ served, range, replica: config.replica, registry: mesh.registry, signal });
    seconds = now() - started;
  }

  const label = engineLabel(served);
  const layers = `${range.start}-${range.end - 1}`;
  const metrics = createStageMetrics(
    { stage: config.appId, layers },
    {
      queueDepth: () => stage.queueDepth,
      sequences: () => stage.sequences,
      kvUsedRatio: () => engine.kv.used / engine.kv.capacity,
    },
    label,
  );
  metrics.modelLoadSeconds.set(seconds);
  const tracing = await startTracing(config.telemetry, config.replica, metrics.registry);
  const { tracer } = tracing;
  const next = ownsHead(range)
    ? null
    : linkToNext(config, identity, mesh, log, tracer, () => stage, metrics.linkSeconds);
  const stage: Stage = new Stage({
    labels: {
      index: config.index,
      meshName: config.meshName,
      layers,
      replica: config.replica,
      engine: label,
    },
    rowsIn: {
      hidden: ownsEmbedding(range) ? null : model.config.hidden,
      activations: served.activations,
      vocabulary: model.config.vocabulary,
    },
    compute: computeOf(config, threads),
    aloneThreads: alone,
    scheduler: schedulerOf(config, () => stage),
    engine,
    next,
    hopPadSeconds: following === undefined ? 0 : hopPadMs(served, following) / 1000,
    metrics,
    tracer,
  });

  // Not that the next stage is there: else stages could only become ready one after the other.
  const announced = announcedPlan(plan);
  const readiness = new Readiness({
    registry: mesh.registry,
    plan: announced,
    stages: stageIds(config.meshName, ranges.length),
    log,
    lookMs: LOOK_MS,
  });
  const probes = createHttpApp(metrics.registry, () => readiness.reason);
  const http = await listen(probes, config.httpHost, config.httpPort);
  const padMs = hopPadMs(served, range);
  const server = await serveLinks({
    host: config.host,
    port: config.grpcPort,
    identity,
    wants: config.mesh.wants,
    status: () => stage.status(),
    onLink: (link) => stage.onCaller(link),
    onMessage: later(padMs, (link, message) => stage.onCallerMessage(link, message)),
    onEnd: later(padMs, (link) => stage.onCallerEnd(link)),
    onRefused: linkRefusals(log),
    ...(next && { onInvite: (stream: MessageStream, invite: Hello) => void next.invited(stream, invite) }),
  });
  const { appId, replica } = config;
  const address = `${config.host}:${server.port}`;
  const record = { appId, replica, address, draining: false, plan: announced };
  const complain = announcementTroubles(log);
  stage.serves();
  const announcement = await mesh.registry.announce(record, {
    signal,
    onTrouble: (reason) => {
      readiness.unlisted(ServingError.from(reason).message);
      complain(reason);
    },
  });
  void readiness.settle();
  log.info({ grpc: server.port, http: http.port, mesh: mesh.kind }, 'serving');
  const inviting = new AbortController();
  const invited = inviteCallers(
    { mesh, identity, server, appIds: callersOf(config), tracer, onTrouble: linkRefusals(log) },
    inviting.signal,
  ).then((outcome) => log.info(outcome, 'callers invited'));

  return {
    crashed,
    drain: async (limit) => {
      readiness.end('draining');
      inviting.abort();
      const idle = stage.drain();
      server.drain();
      await announcement
        .update({ draining: true })
        .catch((error: unknown) => log.warn({ error }, 'not unlisted'));
      await Promise.race([idle, delay(limit * 1000, undefined, { ref: false })]);
      log.info({ left: stage.sequences }, 'drained');
    },
    close: async () => {
      readiness.end('stopping');
      inviting.abort();
      await announcement.withdraw().catch((error: unknown) => log.warn({ error }, 'not unlisted'));
      await next?.close();
      server.close();
      await invited;
      await http.close();
      await mesh.close();
      await engine.stop();
      await tracing.shutdown();
    },
  };
}

/** Whoever sends sequences here: gateways, which talk to every stage, and the stage before. */
const callersOf = ({ meshName, index }: StageConfig): string[] =>
  index === 0 ? [GATEWAY] : [GATEWAY, stageId(meshName, index - 1)];

function rangeOf({ index, appId }: StageConfig, ranges: readonly LayerRange[]): LayerRange {
  const range = ranges[index];
  if (range !== undefined) return range;
  throw new ServingError(
    'invalid_split',
    `${appId} is not one of the ${ranges.length} stages of LAYERMESH_SPLIT`,
  );
}

/** Sequences begin and come back in stage 0, so batches are formed there; the others take them as they come. */
function schedulerOf(config: StageConfig, stage: () => Stage): Scheduler<Part> {
  const { index, batching, prefillShare, maxBatchRows, maxBatchSequences } = config;
  const limits = { maxRows: maxBatchRows, maxSequences: maxBatchSequences };
  if (index > 0) return new PlainScheduler(limits, dividePart);
  return new GroupedScheduler({
    limits,
    groupsAtOnce: () => (batching === 'auto' ? stage().groupsAtOnce : Infinity),
    gainsAlone: () => stage().gainsAlone,
    promptShare: prefillShare / 100,
    laneOf: ({ sequence }) => sequence.lane,
    divide: dividePart,
  });
}

/** What it computes on: processors that it may share with others, or a device of its own that is emulated. */
function computeOf({ served, appId, replica }: StageConfig, threads: number): StageOptions['compute'] {
  if (served.engine === 'timed')
    return { owner: `${served.device}/${appId}/${replica}`, processors: 1, threads: 1 };
  return { owner: processorsOwner(), processors: cpuQuota() ?? availableParallelism(), threads };
}

type Threads = Required<Pick<OnnxEngineOptions, 'threads' | 'aloneThreads'>>;

async function loadEngine(config: StageConfig, range: LayerRange, threads: Threads) {
  let crash: (reason: ServingError) => void;
  const crashed = new Promise<ServingError>((resolve) => (crash = resolve));
  const worker = startEngineWorker({ ...engineOptions(config, range, threads), fault: config.fault });
  const { served } = config;
  const engine = await EngineClient.start(worker, {
    onCrash: (reason) => crash(reason),
    // An engine that computes no logits of words keeps nothing to a grammar.
    vocabulary: served.engine === 'onnx' && ownsHead(range) ? () => loadVocabulary(served.prepared) : null,
  });
  return { engine, crashed };
}

/** Room of a KV cache in this machine's memory, where nobody says. */
const KV_TOKENS = 131_072;

function engineOptions(config: StageConfig, range: LayerRange, threads: Threads) {
  const { kvPrecision, kvTokens, prefixBytes, served } = config;
  if (served.engine === 'timed') return { ...served, range, kvTokens, prefixBytes };
  const { engine, prepared: shards, precision, activations } = served;
  return {
    engine,
    shards,
    precision,
    kvPrecision: kvPrecision ?? precision,
    activations,
    range,
    ...threads,
    kvTokens: kvTokens ?? KV_TOKENS,
    prefixBytes,
  };
}

function linkToNext(
  config: StageConfig,
  identity: Identity,
  mesh: Mesh,
  log: Logger,
  tracer: Tracer,
  stage: () => Stage,
  linkSeconds: { observe(seconds: number): void },
): LinkManager {
  const appId = stageId(config.meshName, config.index + 1);
  return new LinkManager({
    mesh,
    identity,
    tracer,
    appId,
    ...logLinkTroubles(log, appId),
    onUp: ({ replica }) => {
      log.info({ to: `${appId}/${replica}` }, 'link up');
      stage().onNextUp();
    },
    onDown: (link, reason) => {
      log.warn({ to: `${appId}/${link.replica}`, reason: reason.message }, 'link down');
      stage().onNextEnd(link);
    },
    onMessage: (link, message) => stage().onNextMessage(link, message),
    onRoom: () => stage().wake(),
    onRoundTrip: (seconds) => linkSeconds.observe(seconds / 2),
  });
}
