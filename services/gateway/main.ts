import { hostname } from 'node:os';
import { setTimeout as delay } from 'node:timers/promises';
import type { Logger } from 'pino';
import { readGatewayConfig, type GatewayConfig } from '../lib/config/config.js';
import { announcedPlan } from '../lib/mesh/identity.js';
import { startMesh } from '../lib/mesh/start-mesh.js';
import { readPlan } from '../lib/model/plan.js';
import { layerCosts } from '../lib/model/split.js';
import { readTextFiles } from '../lib/model/shards/open-shards.js';
import { loadModelText } from '../lib/model/text/encode-chat.js';
import { samplingOver } from '../lib/openai/served-model.js';
import { CONNECTION_LIMITS, listen } from '../lib/process/listen.js';
import { runService, whenAborted } from '../lib/process/run-service.js';
import { createMetricsRegistry } from '../lib/telemetry/metrics.js';
import { startTracing } from '../lib/telemetry/tracing.js';
import { maxRowsPerFrame } from '../lib/wire/frames.js';
import { Admission } from './admission.js';
import { announceGateway } from './announce-gateway.js';
import { DemandMeter } from './demand/demand-meter.js';
import { serveExternalScaler } from './demand/external-scaler.js';
import { createApp } from './http/app.js';
import { limitsFor } from './http/gateway.js';
import { MeshBackend } from './generation/mesh-backend.js';
import { createGatewayMetrics } from './telemetry/metrics.js';
import type { Round } from './telemetry/rounds.js';
import { Reporter } from './report/reporter.js';
import { startTextWorker, TextPool } from './text/text-pool.js';
import { textLimitOf, TextWork } from './text/text-work.js';

/** So that the demand is fresher than any scrape of it. */
const DEMAND_LOOK_MS = 500;

/** The gateway: joins the mesh, takes HTTP requests until it is told to stop, and lets the running ones end. */
await runService(readGatewayConfig, serve);

async function serve(config: GatewayConfig, log: Logger, stopped: AbortSignal): Promise<void> {
  const { model, plan, ranges } = await readPlan(config.served);
  const { prepared } = config.served;
  const files = await readTextFiles(prepared);
  const { specialTokensInContent } = config;
  const { vocabulary } = model.config;
  const text = loadModelText(files, { vocabulary, specialTokensInContent });
  const { problem } = text.chatTemplate;
  if (problem !== null) log.warn({ problem }, 'chats are refused, completions are served');
  const textPool = new TextPool(() => startTextWorker({ prepared, vocabulary, specialTokensInContent }));
  const mesh = await startMesh(config.mesh, stopped, (reason) => log.warn(reason.toLine()));
  const id = config.modelName === '' ? model.config.name : config.modelName;
  const sampling = samplingOver(config.generationConfig === 'auto' ? model.sampling : {});
  const admission = new Admission(config);
  const registry = createMetricsRegistry();
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
  const backend: MeshBackend = new MeshBackend({
    mesh,
    identity: { appId: config.appId, replica: config.replica, host: hostname(), pid: process.pid, plan },
    model: id,
    ranges,
    prefillChunk: Math.min(config.prefillChunk, maxRowsPerFrame(model.config.hidden, plan.activations)),
    stepTimeoutMs: config.stepTimeoutSeconds * 1000,
    patienceMs: config.reroutePatienceSeconds * 1000,
    startPatienceMs: config.startPatienceSeconds * 1000,
    reroutes: metrics.reroutes,
    speculation: config.speculation === 'auto' ? metrics : null,
    prefixCache: config.prefixCache,
    log,
    tracer: tracing.tracer,
  });
  const reporter = new Reporter({
    model: { name: id, split: plan.split, costs: layerCosts(model.config) },
    totals: () => backend.totals(),
  });
  const onRound = (round: Round): void => {
    reporter.add(round);
    demand.generated(round.tokens);
  };
  const looking = setInterval(() => demand.look(), DEMAND_LOOK_MS).unref();
  const app = createApp({
    host: config.host,
    allowedHosts: config.allowedHosts,
    corsOrigins: config.corsOrigins,
    backend,
    text,
    textWork: new TextWork(text, textPool),
    textLimit: textLimitOf(files, text.tokenizer, model.config.maxPositions),
    model: {
      id,
      aliases: config.modelAliases.filter((alias) => alias !== id),
      created: Math.floor(Date.now() / 1000),
      contextLength: model.config.maxPositions,
      vocabulary: model.config.vocabulary,
      eosIds: model.eosIds,
      sampling,
    },
    admission,
    metrics,
    inferences: { tracer: tracing.tracer, decodeInterval, content, onRound },
    demand,
    reporter,
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
  const scaler = scalerPort === null ? null : await serveExternalScaler(config.host, scalerPort, demand);
  const withdraw = announceGateway(
    mesh.registry,
    { appId, replica, address: `${config.host}:${http.port}`, draining: false, plan: announcedPlan(plan) },
    log,
  );
  const ports = { port: http.port, ...(scaler && { scalerPort: scaler.port }) };
  log.info({ ...ports, model: id, mesh: mesh.kind, sampling }, 'serving');

  await whenAborted(stopped);
  backend.drain();
  const withdrawn = withdraw();
  await Promise.race([http.finish(), delay(config.drainSeconds * 1000, undefined, { ref: false })]);
  clearInterval(looking);
  scaler?.close();
  reporter.close();
  await backend.close();
  await http.close();
  await withdrawn;
  await textPool.close();
  await mesh.close();
  await tracing.shutdown();
}
