import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { trace, type Tracer } from '@opentelemetry/api';
import OpenAI from 'openai';
import { pino } from 'pino';
import { Admission, type AdmissionLimits } from '../../../services/gateway/admission.js';
import { createApp } from '../../../services/gateway/app.js';
import { limitsFor, type HttpLimits } from '../../../services/gateway/gateway.js';
import { createGatewayMetrics } from '../../../services/gateway/metrics.js';
import { createMetricsRegistry } from '../../../services/lib/telemetry/metrics-registry.js';
import { ServingError } from '../../../services/lib/errors/serving-error.js';
import type { MaxTokensPolicy } from '../../../services/lib/openai/fit-context.js';
import type { Report } from '../../../services/gateway/report/report.js';
import type { Tokenizer } from '../../../services/lib/model/text/tokenizer.js';
import { byteTokenizer, EOS, lineTemplate } from './byte-text.js';
import { ScriptedBackend } from './scripted-backend.js';

export interface TestGateway {
  readonly url: string;
  readonly backend: ScriptedBackend;
  readonly admission: Admission;
  readonly client: OpenAI;
  post(path: string, body: unknown, headers?: Record<string, string>): Promise<Response>;
  /** The value of one line of /metrics. */
  metric(line: string): Promise<number | undefined>;
  close(): Promise<void>;
}

export interface TestGatewayOptions {
  readonly admission?: Partial<AdmissionLimits>;
  readonly limits?: Partial<HttpLimits>;
  readonly tokenizer?: Tokenizer;
  readonly contextLength?: number;
  readonly maxTokens?: MaxTokensPolicy;
  readonly tracer?: Tracer;
  readonly report?: (seconds: number) => Report;
}

const noReport = (): never => {
  throw new ServingError('nothing_measured', 'nothing');
};

/** The gateway's app on a loopback port, before a scripted mesh and a tokenizer of bytes. */
export async function startTestGateway(options: TestGatewayOptions = {}): Promise<TestGateway> {
  const { tokenizer = byteTokenizer, contextLength = 200 } = options;
  const backend = new ScriptedBackend();
  const admission = new Admission({ maxRunning: 16, maxWaiting: 16, ...options.admission });
  const app = createApp({
    backend,
    text: { tokenizer, chatTemplate: lineTemplate },
    model: {
      id: 'test/model',
      aliases: ['tester'],
      created: 1,
      contextLength,
      vocabulary: tokenizer.vocabularySize,
      eosIds: [EOS],
    },
    admission,
    metrics: createGatewayMetrics(createMetricsRegistry(), admission),
    inferences: {
      tracer: options.tracer ?? trace.getTracer('test'),
      decodeInterval: 2,
      content: false,
      onRound: () => undefined,
    },
    reporter: { report: options.report ?? noReport },
    log: pino({ level: 'silent' }),
    limits: { ...limitsFor(32_768), ...options.limits },
    maxTokens: options.maxTokens ?? 'clamp',
  });
  const server = createServer(app);
  const url = await listen(server);

  return {
    url,
    backend,
    admission,
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
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

function listen(server: Server): Promise<string> {
  return new Promise((resolve) => {
    server.listen(0, '127.0.0.1', () =>
      resolve(`http://127.0.0.1:${(server.address() as AddressInfo).port}`),
    );
  });
}
