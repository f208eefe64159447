import { trace, type Tracer } from '@opentelemetry/api';
import OpenAI from 'openai';
import { pino } from 'pino';
import { Admission, type AdmissionLimits } from '../../../services/gateway/admission.js';
import { createApp } from '../../../services/gateway/http/app.js';
import { limitsFor, type HttpLimits } from '../../../services/gateway/http/gateway.js';
import { createGatewayMetrics } from '../../../services/gateway/telemetry/metrics.js';
import type { TextPool } from '../../../services/gateway/text/text-pool.js';
import type { TextLimit } from '../../../services/gateway/text/text-task.js';
import { LoadLog } from '../../../services/gateway/watch/load-log.js';
import { MeshWatch } from '../../../services/gateway/watch/mesh-watch.js';
import { RequestLog } from '../../../services/gateway/watch/request-log.js';
import { TextWork } from '../../../services/gateway/text/text-work.js';
import { createMetricsRegistry } from '../../../services/lib/telemetry/metrics.js';
import { CONNECTION_LIMITS, listen, type ConnectionLimits } from '../../../services/lib/process/listen.js';
import { ServingError } from '../../../services/lib/errors/serving-error.js';
import { samplingOver } from '../../../services/lib/openai/served-model.js';
import type { MaxTokensPolicy } from '../../../services/lib/openai/fit-context.js';
import type { Report } from '../../../services/gateway/report/report.js';
import type { ModelText } from '../../../services/lib/model/text/encode-chat.js';
import type { Tokenizer } from '../../../services/lib/model/text/tokenizer.js';
import { byteTokenizer, EOS, lineTemplate } from './byte-text.js';
import { ScriptedBackend } from './scripted-backend.js';

export interface TestGateway {
  readonly url: string;
  readonly owed: { readonly bytes: number };
  readonly backend: ScriptedBackend;
  readonly admission: Admission;
  readonly watch: MeshWatch;
  readonly client: OpenAI;
  post(path: string, body: unknown, headers?: Record<string, string>): Promise<Response>;
  /** The value of one line of /metrics. */
  metric(line: string): Promise<number | undefined>;
  close(): Promise<void>;
}

export interface TestGatewayOptions {
  readonly admission?: Partial<AdmissionLimits>;
  readonly limits?: Partial<HttpLimits>;
  readonly connections?: Partial<ConnectionLimits>;
  readonly tokenizer?: Tokenizer;
  readonly contextLength?: number;
  readonly engine?: string;
  readonly textPool?: TextPool;
  readonly textLimit?: TextLimit;
  readonly maxTokens?: MaxTokensPolicy;
  readonly tracer?: Tracer;
  readonly allowedHosts?: readonly string[];
  readonly corsOrigins?: readonly string[];
  readonly report?: (seconds: number) => Report;
}

const noop = (): void => undefined;

const noReport = (): never => {
  throw new ServingError('nothing_measured', 'nothing');
};

/** The gateway's app on a loopback port, before a scripted mesh and a tokenizer of bytes. */
export async function startTestGateway(options: TestGatewayOptions = {}): Promise<TestGateway> {
  const { tokenizer = byteTokenizer, contextLength = 200 } = options;
  const backend = new ScriptedBackend();
  const admission = new Admission({ maxRunning: 16, maxWaiting: 16, ...options.admission });
  const text: ModelText = { tokenizer, chatTemplate: lineTemplate, specialTokensInContent: 'text' };
  const limits = { ...limitsFor(32_768), ...options.limits };
  const load = new LoadLog();
  const requests = new RequestLog((record) => load.ended(record));
  const watch = new MeshWatch({
    gateway: 'gateway-1',
    topology: () => backend.topology(),
    links: () => [],
    report: options.report ?? noReport,
    counts: () => ({ running: admission.running, waiting: admission.waiting }),
    load,
  });
  const app = createApp({
    host: '127.0.0.1',
    allowedHosts: options.allowedHosts ?? [],
    corsOrigins: options.corsOrigins ?? [],
    backend,
    text,
    textWork: new TextWork(text, options.textPool ?? null),
    textLimit: options.textLimit ?? null,
    model: {
      id: 'test/model',
      engine: options.engine ?? null,
      aliases: ['tester'],
      created: 1,
      contextLength,
      vocabulary: tokenizer.vocabularySize,
      eosIds: [EOS],
      sampling: samplingOver({}),
    },
    admission,
    metrics: createGatewayMetrics(createMetricsRegistry(), admission),
    inferences: {
      tracer: options.tracer ?? trace.getTracer('test'),
      decodeInterval: 2,
      content: false,
      onRound: (round) => load.round(round),
      watcher: requests,
    },
    demand: { asked: noop, began: noop, ended: noop },
    reporter: { report: options.report ?? noReport },
    watch: { mesh: watch, requests, load, traceUrl: null },
    console: false,
    log: pino({ level: 'silent' }),
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
    owed: limits.owed,
    backend,
    admission,
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
      const found = text.split('\n').find((candidate) => candidate.startsWith(`${line} `));
      return found === undefined ? undefined : Number(found.slice(line.length));
    },
    close: () => {
      watch.close();
      return server.close();
    },
  };
}
