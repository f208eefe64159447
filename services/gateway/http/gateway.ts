import type { Tracer } from '@opentelemetry/api';
import type { Logger } from 'pino';
import type { Secret } from '../../lib/config/environment.js';
import { OwedTotal, type EventStreamOptions } from '../../lib/openai/event-stream.js';
import type { MaxTokensPolicy } from '../../lib/openai/fit-context.js';
import type { Admission } from '../admission.js';
import type { ModelDirectory } from '../models/model-directory.js';
import type { GatewayMetrics } from '../telemetry/metrics.js';
import type { KeyRing } from '../keys/key-ring.js';
import type { BackgroundResponses } from '../responses/background.js';
import type { ResponseStore } from '../responses/response-store.js';
import type { RequestLog } from '../watch/request-log.js';
import type { ResultFiles } from '../watch/result-files.js';

export interface HttpLimits extends EventStreamOptions {
  /** Larger request bodies are refused, bytes. */
  readonly bodyBytes: number;
}

/**
 * A body is bounded by what can fit the longest context, with room for several prompts and for JSON: it is parsed on the event
 * loop, 4 MiB in 20 to 50 ms.
 */
export function limitsFor(contextLength: number): HttpLimits {
  const bodyBytes = Math.min(4 << 20, Math.max(64 << 10, contextLength * 32));
  return {
    bodyBytes,
    keepAliveMs: 15_000,
    stallMs: 60_000,
    owedBytes: 1 << 20,
    owed: new OwedTotal(64 << 20),
  };
}

/** Everything that the routes work with. */
export interface Gateway {
  /** The address that it listens on, and further names that it answers to there. */
  readonly host: string;
  readonly allowedHosts: readonly string[];
  /** Whose pages may read its answers in a browser; `*` is all. */
  readonly corsOrigins: readonly string[];
  /** Who may ask; null: everyone. */
  readonly keys: KeyRing | null;
  /** Of who may see how the mesh is and does; null: everyone. */
  readonly operatorKey: Secret | null;
  readonly models: ModelDirectory;
  readonly admission: Admission;
  readonly metrics: GatewayMetrics;
  readonly tracer: Tracer;
  readonly responses: ResponseStore;
  readonly background: Pick<BackgroundResponses, 'run' | 'cancel'>;
  readonly requests: Pick<RequestLog, 'list' | 'find'>;
  readonly results: Pick<ResultFiles, 'list' | 'pathOf'>;
  /** Whether `GET /` is the console. */
  readonly console: boolean;
  readonly log: Pick<Logger, 'error'>;
  readonly limits: HttpLimits;
  readonly maxTokens: MaxTokensPolicy;
}
