import { setTimeout as delay } from 'node:timers/promises';
import type { Logger } from 'pino';
import { readGatewayConfig, type GatewayConfig, type KeysConfig } from '../lib/config/config.js';
import { readDaprSecret } from '../lib/mesh/dapr-secret.js';
import { announcedPlan } from '../lib/mesh/identity.js';
import { serveInvites } from '../lib/mesh/link-server.js';
import { linkRefusals } from '../lib/mesh/log-link-troubles.js';
import { startMesh } from '../lib/mesh/start-mesh.js';
import { engineLabel, readPlan } from '../lib/model/plan.js';
import { CONNECTION_LIMITS, listen } from '../lib/process/listen.js';
import { runService, whenAborted } from '../lib/process/run-service.js';
import { createMetricsRegistry, tellEngine } from '../lib/telemetry/metrics.js';
import { startTracing } from '../lib/telemetry/tracing.js';
import { Admission } from './admission.js';
import { announceGateway } from './announce-gateway.js';
import type { DemandMeter } from './demand/demand-meter.js';
import type { ExternalScaler } from './demand/external-scaler.js';
import { createApp } from './http/app.js';
import { limitsFor } from './http/gateway.js';
import { keyFile, openKeyRing, type KeySource } from './keys/key-ring.js';
import { ModelDirectory } from './models/model-directory.js';
import { openServing, type OpenServing } from './models/open-serving.js';
import { createGatewayMetrics } from './telemetry/metrics.js';
import { BackgroundResponses } from './responses/background.js';
import { ResponseStore } from './responses/response-store.js';
import { Runners } from './responses/runners.js';
import { RequestLog } from './watch/request-log.js';
import { ResultFiles } from './watch/result-files.js';

/** Every look at a secret is a call of whoever keeps it, which some stores charge for. */
const SECRET_LOOK_MS = 30_000;

/** The gateway: joins the mesh of each model, takes HTTP requests until it is told to stop, and lets the running ones end. */
await runService(readGatewayConfig, serve);

async function serve(config: GatewayConfig, log: Logger, stopped: AbortSignal): Promise<void> {
  // What was not prepared is told before a sidecar is waited for.
  const plans = await Promise.all(config.models.map(({ served }) => readPlan(served)));
  const mesh = await startMesh(config.mesh, stopped, (reason) => log.warn(reason.toLine()));
  const keys = config.keys === null ? null : await openKeyRing(keySource(config.keys), log, stopped);
  const admission = new Admission(config);
  const registry = createMetricsRegistry();
  tellEngine(registry, enginesOf(config));
  const servings: OpenServing[] = [];
  const metrics = createGatewayMetrics(
    registry,
    () => servings.map((serving) => serving.loadNow()),
    () => new Map(servings.flatMap(({ demand }) => [...demand.demanded()])),
  );
  const tracing = await startTracing(config.telemetry, config.replica, registry);
  const requests = new RequestLog(config.traceUrl, (record) => models.find(record.model)?.load.ended(record));
  const shared = { config, mesh, admission, metrics, tracer: tracing.tracer, requests, log };
  for (const [index, hosted] of config.models.entries()) {
    servings.push(await openServing(hosted, plans[index]!, shared));
  }
  const models = new ModelDirectory(servings[0]!, ...servings.slice(1));
  const runners = new Runners(mesh.registry);
  const responses = new ResponseStore(mesh.documents(config.responsesTtlSeconds), runners);
  const background = new BackgroundResponses(responses, runners, log);
  const app = createApp({
    host: config.host,
    allowedHosts: config.allowedHosts,
    corsOrigins: config.corsOrigins,
    keys,
    operatorKey: config.operatorKey,
    models,
    admission,
    metrics,
    tracer: tracing.tracer,
    responses,
    background,
    requests,
    results: new ResultFiles(config.resultFolders),
    console: config.console,
    log,
    limits: limitsFor(Math.max(...servings.map(({ model }) => model.contextLength))),
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
  const servingOf = (stage: string): OpenServing =>
    servings.find(({ stages }) => stages.includes(stage)) ?? models.first;
  const invites = await serveInvites({
    host,
    port: config.grpcPort,
    wants: config.mesh.wants,
    planFor: (invite) => servingOf(invite.appId).plan,
    onInvite: (stream, invite) => servingOf(invite.appId).backend.invited(stream, invite),
    onRefused: linkRefusals(log),
  });
  const address = `${host}:${invites.port}`;
  const demands = servings.map(({ demand }) => demand);
  const scaler = scalerPort === null ? null : await serveScaler(config.host, scalerPort, demands);
  const [plan, ...furtherPlans] = servings.map((serving) => announcedPlan(serving.plan));
  const withdraw = announceGateway(
    mesh.registry,
    { appId, replica, address, draining: false, plan, ...(furtherPlans.length > 0 && { furtherPlans }) },
    log,
  );
  const ports = { port: http.port, grpc: invites.port, ...(scaler && { scalerPort: scaler.port }) };
  for (const { model } of servings) {
    log.info({ ...ports, model: model.id, mesh: mesh.kind, sampling: model.sampling }, 'serving');
  }

  await whenAborted(stopped);
  for (const { backend, watch } of servings) {
    backend.drain();
    watch.close();
  }
  const withdrawn = withdraw();
  const finished = Promise.all([http.finish(), background.finish()]);
  await Promise.race([finished, delay(config.drainSeconds * 1000, undefined, { ref: false })]);
  scaler?.close();
  await background.close();
  await runners.close();
  await Promise.all(servings.map((serving) => serving.close()));
  invites.close();
  await http.close();
  await withdrawn;
  await mesh.close();
  await tracing.shutdown();
}

/** Loads gRPC's library, which only KEDA's question needs. */
async function serveScaler(
  host: string,
  port: number,
  demands: readonly DemandMeter[],
): Promise<ExternalScaler> {
  const { serveExternalScaler } = await import('./demand/external-scaler.js');
  return serveExternalScaler(host, port, ...demands);
}

/** What the figures of this process are of; null where all compute. */
function enginesOf({ models }: GatewayConfig): string | null {
  const labels = new Set(models.flatMap(({ served }) => engineLabel(served) ?? []));
  return labels.size === 0 ? null : [...labels].join(', ');
}

function keySource(keys: KeysConfig): KeySource {
  return keys.kind === 'file'
    ? keyFile(keys.path)
    : { lookMs: SECRET_LOOK_MS, read: (signal) => readDaprSecret(keys.mesh, keys, signal) };
}
