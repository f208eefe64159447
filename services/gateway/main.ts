import { hostname } from 'node:os';
import { setTimeout as delay } from 'node:timers/promises';
import type { Logger } from 'pino';
import { readGatewayConfig, type GatewayConfig, type KeysConfig } from '../lib/config/config.js';
import { engineLabel, readPlan } from '../lib/model/plan.js';
import { readDaprSecret } from '../lib/mesh/dapr-secret.js';
import { announcedPlan } from '../lib/mesh/identity.js';
import { serveInvites } from '../lib/mesh/link-server.js';
import { linkRefusals } from '../lib/mesh/log-link-troubles.js';
import { startMesh } from '../lib/mesh/start-mesh.js';
import { letterText } from '../lib/model/gguf/letter-vocabulary.js';
import { layerCosts, modelWeights } from '../lib/model/split.js';
import { scoredRows } from '../lib/model/step.js';
import { readTextFiles } from '../lib/model/shards/open-shards.js';
import { loadModelText } from '../lib/model/text/encode-chat.js';
import { samplingOver } from '../lib/openai/served-model.js';
import { CONNECTION_LIMITS, listen } from '../lib/process/listen.js';
import { runService, whenAborted } from '../lib/process/run-service.js';
import { createMetricsRegistry, tellEngine } from '../lib/telemetry/metrics.js';
import { startTracing } from '../lib/telemetry/tracing.js';
import { maxRowsPerFrame } from '../lib/wire/frames.js';
import { Admission } from './admission.js';
import { announceGateway } from './announce-gateway.js';
import { DemandMeter } from './demand/demand-meter.js';
import { serveExternalScaler } from './demand/external-scaler.js';
import { createApp } from './http/app.js';
import { limitsFor } from './http/gateway.js';
import { keyFile, openKeyRing, type KeySource } from './keys/key-ring.js';
import { MeshBackend } from './generation/mesh-backend.js';
import { createGatewayMetrics } from './telemetry/metrics.js';
import type { Round } from './telemetry/rounds.js';
import { BackgroundResponses } from './responses/background.js';
import { ResponseStore } from './responses/response-store.js';
import { Reporter } from './report/reporter.js';
import { ConstraintSources } from './text/constraint-sources.js';
import { LoadLog } from './watch/load-log.js';
import { MeshWatch } from './watch/mesh-watch.js';
import { RequestLog } from './watch/request-log.js';
import { ResultFiles } from './watch/result-files.js';
import { startTextWorker, TextPool } from './text/text-pool.js';
import { textLimitOf, TextWork } from './text/text-work.js';

/** Every look at a secret is a call of whoever keeps it, which some stores charge for. */
const SECRET_LOOK_MS = 30_000;
/** So that the demand is fresher than any scrape of it. */
const DEMAND_LOOK_MS = 500;

/** The gateway: joins the mesh, takes HTTP requests until it is told to stop, and lets the running ones end. */
await runService(readGatewayConfig, serve);

async function serve(config: GatewayConfig, log: Logger, stopped: AbortSignal): Promise<void> {
  const { model, plan, ranges } = await readPlan(config.served);
  const { served, specialTokensInContent } = config;
  const { vocabulary } = model.config;
  const prepared = served.engine === 'timed' ? null : served.prepared;
  const files = prepared === null ? letterText(vocabulary) : await readTextFiles(prepared);
  const text = loadModelText(files, { vocabulary, specialTokensInContent });
  const { problem } = text.chatTemplate;
  if (problem !== null) log.warn({ problem }, 'chats are refused, completions are served');
  const textPool = new TextPool(() => startTextWorker({ prepared, vocabulary, specialTokensInContent }));
  const textWork = new TextWork(text, textPool);
  const mesh = await startMesh(config.mesh, stopped, (reason) => log.warn(reason.toLine()));
  const keys = config.keys === null ? null : await openKeyRing(keySource(config.keys), log, stopped);
  const id = config.modelName === '' ? model.config.name : config.modelName;
  const sampling = samplingOver(config.generationConfig === 'auto' ? model.sampling : {});
  const admission = new Admission(config);
  const registry = createMetricsRegistry();
  const engine = engineLabel(served);
  tellEngine(registry, engine);
  const demand: DemandMeter = new DemandMeter({
    stages: ranges.map((_, index) => `stage-${index}`),
    totals: () => backend.totals(),
    occupation: () => backend.occupation(),
    queued: () => admission.waiting,
  });
  const demanded = (): ReadonlyMap<string, number> => demand.demanded();
  const metrics = createGatewayMetrics(registry, admission, () => backend.waiting, demanded);
  const tracing = startTracing(config.telemetry, config.replica, registry);
  const { decodeInterval, content } = config.telemetry;
  const identity = { appId: config.appId, replica: config.replica, host: hostname(), pid: process.pid, plan };
  const backend: MeshBackend = new MeshBackend({
    mesh,
    identity,
    model: id,
    engine,
    ranges,
    // Between stages a chunk's activations are one frame.
    prefillChunk:
      ranges.length === 1
        ? config.prefillChunk
        : Math.min(config.prefillChunk, maxRowsPerFrame(model.config.hidden, plan.activations)),
    prefillChunkAlone: config.prefillChunkAlone,
    scoreChunk: scoredRows(vocabulary),
    stepTimeoutMs: config.stepTimeoutSeconds * 1000,
    patienceMs: config.reroutePatienceSeconds * 1000,
    startPatienceMs: config.startPatienceSeconds * 1000,
    reroutes: {
      inc: (labels) => {
        metrics.reroutes.inc(labels);
        watch.moved(labels.reason);
      },
    },
    // How many guesses would be right is nothing that an engine can tell which computes nothing.
    speculation: config.speculation === 'auto' && engine === null ? metrics : null,
    prefixCache: config.prefixCache,
    log,
    tracer: tracing.tracer,
  });
  const responses = new ResponseStore(mesh.documents(config.responsesTtlSeconds));
  const runner = { backend, text, metrics, admission, demand };
  const background = new BackgroundResponses(responses, runner, log);
  const reporter = new Reporter({
    model: {
      name: engine === null ? id : `${id}, ${engine}`,
      split: plan.split,
      costs: layerCosts(model.config),
    },
    totals: () => backend.totals(),
    room: () => backend.occupation(),
  });
  const load = new LoadLog();
  const requests = new RequestLog((record) => load.ended(record));
  const watch = new MeshWatch({
    gateway: config.replica,
    topology: () => backend.topology(),
    links: () => backend.replicaLinks(),
    report: (seconds) => reporter.report(seconds),
    counts: () => ({
      running: Math.max(0, admission.running - backend.waiting),
      waiting: admission.waiting + backend.waiting,
    }),
    load,
  });
  const onRound = (round: Round): void => {
    reporter.add(round);
    load.round(round);
    demand.generated(round.tokens);
  };
  const looking = setInterval(() => demand.look(), DEMAND_LOOK_MS).unref();
  const app = createApp({
    host: config.host,
    allowedHosts: config.allowedHosts,
    corsOrigins: config.corsOrigins,
    keys,
    operatorKey: config.operatorKey,
    backend,
    text,
    textWork,
    constraintSources: new ConstraintSources(textWork),
    textLimit: textLimitOf(files, text.tokenizer, model.config.maxPositions),
    model: {
      id,
      engine,
      aliases: config.modelAliases.filter((alias) => alias !== id),
      created: Math.floor(Date.now() / 1000),
      contextLength: model.config.maxPositions,
      vocabulary: model.config.vocabulary,
      eosIds: model.eosIds,
      checkpoint: {
        digest: plan.modelDigest,
        architecture: model.config.architecture,
        layers: model.config.layers,
        hidden: model.config.hidden,
        parameters: modelWeights(model.config),
        precision: plan.precision,
      },
      takesTemplates: config.takesTemplates,
      sampling,
    },
    admission,
    metrics,
    inferences: { tracer: tracing.tracer, engine, decodeInterval, content, onRound, watcher: requests },
    demand,
    responses,
    background,
    reporter,
    watch: {
      mesh: watch,
      requests,
      load,
      results: new ResultFiles(config.resultFolders),
      traceUrl: config.traceUrl,
    },
    console: config.console,
    log,
    limits: limitsFor(model.config.maxPositions),
    maxTokens: config.maxTokens,
  });
  const http = await listen(app, config.host, config.port, {
    ...CONNECTION_LIMITS,
    idleMs: config.keepAliveSeconds * 1000,
    receiveMs: config.receiveSeconds * 1000,
    maxConnections: config.maxConnections,
  });
  const { appId, replica, scalerPort } = config;
  const host = mesh.kind === 'dapr' ? '127.0.0.1' : config.host;
  const invites = await serveInvites({
    host,
    port: config.grpcPort,
    identity,
    wants: config.mesh.wants,
    onInvite: (stream, invite) => backend.invited(stream, invite),
    onRefused: linkRefusals(log),
  });
  const address = `${host}:${invites.port}`;
  const scaler = scalerPort === null ? null : await serveExternalScaler(config.host, scalerPort, demand);
  const withdraw = announceGateway(
    mesh.registry,
    { appId, replica, address, draining: false, plan: announcedPlan(plan) },
    log,
  );
  const ports = { port: http.port, grpc: invites.port, ...(scaler && { scalerPort: scaler.port }) };
  log.info({ ...ports, model: id, mesh: mesh.kind, sampling }, 'serving');

  await whenAborted(stopped);
  backend.drain();
  const withdrawn = withdraw();
  watch.close();
  const finished = Promise.all([http.finish(), background.finish()]);
  await Promise.race([finished, delay(config.drainSeconds * 1000, undefined, { ref: false })]);
  clearInterval(looking);
  scaler?.close();
  reporter.close();
  await background.close();
  await backend.close();
  invites.close();
  await http.close();
  await withdrawn;
  await textPool.close();
  await mesh.close();
  await tracing.shutdown();
}

function keySource(keys: KeysConfig): KeySource {
  return keys.kind === 'file'
    ? keyFile(keys.path)
    : { lookMs: SECRET_LOOK_MS, read: (signal) => readDaprSecret(keys.mesh, keys, signal) };
}
