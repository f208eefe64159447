import { trace, type Tracer } from '@opentelemetry/api';
import type { Express } from 'express';
import OpenAI from 'openai';
import { pino, type Logger } from 'pino';
import { Admission, type AdmissionLimits } from '../../../services/gateway/admission.js';
import { createApp } from '../../../services/gateway/http/app.js';
import { limitsFor, type HttpLimits } from '../../../services/gateway/http/gateway.js';
import { ModelDirectory } from '../../../services/gateway/models/model-directory.js';
import { ModelPlaces } from '../../../services/gateway/models/model-places.js';
import type { Serving } from '../../../services/gateway/models/serving.js';
import { BackgroundResponses } from '../../../services/gateway/responses/background.js';
import { ResponseStore } from '../../../services/gateway/responses/response-store.js';
import { Runners } from '../../../services/gateway/responses/runners.js';
import { parseKeyList } from '../../../services/gateway/keys/key-list.js';
import { KeyRing } from '../../../services/gateway/keys/key-ring.js';
import { createGatewayMetrics, type GatewayMetrics } from '../../../services/gateway/telemetry/metrics.js';
import { ModelMetrics } from '../../../services/gateway/telemetry/model-metrics.js';
import { ConstraintSources } from '../../../services/gateway/text/constraint-sources.js';
import type { TextPool } from '../../../services/gateway/text/text-pool.js';
import type { TextLimit } from '../../../services/gateway/text/text-task.js';
import { LoadLog } from '../../../services/gateway/watch/load-log.js';
import { MeshWatch } from '../../../services/gateway/watch/mesh-watch.js';
import { RequestLog } from '../../../services/gateway/watch/request-log.js';
import { ResultFiles } from '../../../services/gateway/watch/result-files.js';
import { TextWork } from '../../../services/gateway/text/text-work.js';
import { Secret } from '../../../services/lib/config/environment.js';
import { createMetricsRegistry } from '../../../services/lib/telemetry/metrics.js';
import { CONNECTION_LIMITS, listen, type ConnectionLimits } from '../../../services/lib/process/listen.js';
import { DocumentRegistry } from '../../../services/lib/mesh/registry.js';
import type { PassingDocuments } from '../../../services/lib/mesh/types.js';
import { ServingError } from '../../../services/lib/errors/serving-error.js';
import { samplingOver, type ServedModel } from '../../../services/lib/openai/served-model.js';
import type { MaxTokensPolicy } from '../../../services/lib/openai/fit-context.js';
import type { Report } from '../../../services/gateway/report/report.js';
import type { ChatTemplate } from '../../../services/lib/model/text/chat-template.js';
import type { ModelText } from '../../../services/lib/model/text/encode-chat.js';
import type { Tokenizer } from '../../../services/lib/model/text/tokenizer.js';
import { byteTokenizer, EOS, lineTemplate } from './byte-text.js';
import { MemoryDocuments } from './memory-documents.js';
import { ScriptedBackend } from './scripted-backend.js';

export interface TestGateway {
  readonly url: string;
  readonly app: Express;
  readonly owed: { readonly bytes: number };
  readonly backend: ScriptedBackend;
  /** Of all models, the first first. */
  readonly backends: readonly ScriptedBackend[];
  readonly admission: Admission;
  /** Null where there is none. */
  readonly keys: KeyRing | null;
  readonly watch: MeshWatch;
  readonly client: OpenAI;
  post(path: string, body: unknown, headers?: Record<string, string>): Promise<Response>;
  /** A name with labels or none: the sum of its series on /metrics that have these labels; undefined where there is none. */
  metric(line: string): Promise<number | undefined>;
  close(): Promise<void>;
}

export interface TestGatewayOptions {
  readonly admission?: Partial<AdmissionLimits>;
  readonly limits?: Partial<HttpLimits>;
  readonly connections?: Partial<ConnectionLimits>;
  readonly tokenizer?: Tokenizer;
  readonly chatTemplate?: ChatTemplate;
  readonly contextLength?: number;
  /** Models beside the first, by what differs. */
  readonly furtherModels?: readonly Partial<ServedModel>[];
  readonly engine?: string;
  readonly textPool?: TextPool;
  readonly textLimit?: TextLimit;
  readonly maxTokens?: MaxTokensPolicy;
  readonly tracer?: Tracer;
  readonly allowedHosts?: readonly string[];
  readonly corsOrigins?: readonly string[];
  /** What other gateways share. */
  readonly documents?: PassingDocuments;
  /** After which another gateway that died is held for dead, ms. */
  readonly expireMs?: number;
  /** A list of keys; left out: everyone may ask. */
  readonly keys?: string;
  readonly operatorKey?: string;
  readonly log?: Logger;
  readonly resultFolders?: readonly string[];
  readonly report?: (seconds: number) => Report;
}

const noop = (): void => undefined;

const noReport = (): never => {
  throw new ServingError('nothing_measured', 'nothing');
};

/** The gateway's app on a loopback port, before a scripted mesh and a tokenizer of bytes. */
export async function startTestGateway(options: TestGatewayOptions = {}): Promise<TestGateway> {
  const { tokenizer = byteTokenizer, contextLength = 200, expireMs = 7_000 } = options;
  const admission = new Admission({ maxRunning: 16, maxWaiting: 16, ...options.admission });
  const { chatTemplate = lineTemplate } = options;
  const text: ModelText = { tokenizer, chatTemplate, specialTokensInContent: 'text' };
  const limits = { ...limitsFor(32_768), ...options.limits };
  const metrics: GatewayMetrics = createGatewayMetrics(createMetricsRegistry(), () =>
    servings.map(({ model: { id }, admission: { running, waiting } }) => ({ model: id, running, waiting })),
  );
  const log = options.log ?? pino({ level: 'silent' });
  const documents = options.documents ?? new MemoryDocuments();
  const runners = new Runners(new DocumentRegistry(documents, { renewMs: expireMs / 4, expireMs }));
  const responses = new ResponseStore(documents, runners);
  const background = new BackgroundResponses(responses, runners, log, { lookMs: 5 });
  const keys = options.keys === undefined ? null : new KeyRing(parseKeyList(options.keys));
  const tracer = options.tracer ?? trace.getTracer('test');
  const requests = new RequestLog(null, (record) => models.find(record.model)?.load.ended(record));

  const model: ServedModel = {
    id: 'test/model',
    engine: options.engine ?? null,
    aliases: ['tester'],
    created: 1,
    contextLength,
    vocabulary: tokenizer.vocabularySize,
    eosIds: [EOS],
    checkpoint: {
      digest: 'd'.repeat(64),
      architecture: 'llama',
      layers: 2,
      hidden: 8,
      parameters: 1_500_000,
      precision: 'f32',
    },
    split: [1],
    sampling: samplingOver({}),
  };
  const servingOf = (differing: Partial<ServedModel>) => {
    const backend = new ScriptedBackend(differing.id);
    const served = { ...model, ...differing };
    const textWork = new TextWork(text, options.textPool ?? null);
    const load = new LoadLog();
    const watch = new MeshWatch({
      gateway: 'gateway-1',
      topology: () => backend.topology(),
      links: () => [],
      report: options.report ?? noReport,
      counts: () => ({ running: admission.running, waiting: admission.waiting }),
      load,
      requests,
    });
    return {
      model: served,
      backend,
      text,
      textWork,
      constraintSources: new ConstraintSources(textWork),
      textLimit: options.textLimit ?? null,
      admission: new ModelPlaces(admission),
      metrics: new ModelMetrics(metrics, served.id),
      demand: { asked: () => noop, began: noop, ended: noop },
      inferences: {
        tracer,
        engine: served.engine ?? null,
        decodeInterval: 2,
        content: false,
        onRound: (round) => load.round(round),
        watcher: requests,
      },
      reporter: { report: options.report ?? noReport },
      watch,
      load,
    } satisfies Serving;
  };
  const servings = [{}, ...(options.furtherModels ?? [])].map(servingOf);
  const models = new ModelDirectory(servings[0]!, ...servings.slice(1));
  const { backend, watch } = servings[0]!;
  const app = createApp({
    host: '127.0.0.1',
    allowedHosts: options.allowedHosts ?? [],
    corsOrigins: options.corsOrigins ?? [],
    keys,
    operatorKey: options.operatorKey === undefined ? null : new Secret(options.operatorKey),
    models,
    admission,
    metrics,
    tracer,
    responses,
    background,
    requests,
    results: new ResultFiles(options.resultFolders ?? []),
    log,
    console: false,
    limits,
    maxTokens: options.maxTokens ?? 'clamp',
  });
  const server = await listen(app, '127.0.0.1', 0, {
    ...CONNECTION_LIMITS,
    ...(options.limits?.stallMs !== undefined && { stallMs: options.limits.stallMs }),
    ...options.connections,
  });
  const url = `http://127.0.0.1:${server.port}`;

  return {
    url,
    app,
    owed: limits.owed,
    backend,
    backends: servings.map((serving) => serving.backend),
    admission,
    keys,
    watch,
    client: new OpenAI({ baseURL: `${url}/v1`, apiKey: 'none', maxRetries: 0 }),
    post: (path, body, headers = {}) =>
      fetch(url + path, {
        method: 'POST',
        headers: { 'content-type': 'application/json', ...headers },
        body: typeof body === 'string' ? body : JSON.stringify(body),
      }),
    async metric(line) {
      const text = await (await fetch(`${url}/metrics`)).text();
      const [, name, labels = ''] = /^(\w+)(?:\{(.*)\})?$/.exec(line)!;
      const wanted = labels === '' ? [] : labels.split(',');
      const found = [...text.matchAll(/^(\w+)(?:\{(.*)\})? (\S+)$/gm)].filter(
        ([, named, has = '']) => named === name && wanted.every((label) => has.split(',').includes(label)),
      );
      return found.length === 0 ? undefined : found.reduce((sum, [, , , value]) => sum + Number(value), 0);
    },
    close: async () => {
      for (const serving of servings) serving.watch.close();
      await background.close();
      await runners.close();
      await server.close();
    },
  };
}
