import type { Logger } from 'pino';
import type { ChatTemplate } from '../lib/model/text/chat-template.js';
import type { Tokenizer } from '../lib/model/text/tokenizer.js';
import type { EventStreamOptions } from '../lib/openai/event-stream.js';
import type { MaxTokensPolicy } from '../lib/openai/fit-context.js';
import type { ServedModel } from '../lib/openai/served-model.js';
import type { Admission } from './admission.js';
import type { Backend } from './backend.js';
import type { Inferences } from './trace-inference.js';
import type { GatewayMetrics } from './metrics.js';
import type { Reporter } from './report/reporter.js';

export interface HttpLimits extends EventStreamOptions {
  /** Larger request bodies are refused, bytes. */
  readonly bodyBytes: number;
}

/**
 * A body is bounded by what can fit the context, with room for several prompts and for JSON: tokenizing runs
 * on the event loop, and one long word costs it more than linear time.
 */
export function limitsFor(contextLength: number): HttpLimits {
  const bodyBytes = Math.min(4 << 20, Math.max(64 << 10, contextLength * 32));
  return { bodyBytes, keepAliveMs: 15_000, stallMs: 60_000 };
}

/** Everything that the routes work with. */
export interface Gateway {
  readonly backend: Backend;
  readonly text: { readonly tokenizer: Tokenizer; readonly chatTemplate: ChatTemplate };
  readonly model: ServedModel;
  readonly admission: Admission;
  readonly metrics: GatewayMetrics;
  readonly inferences: Inferences;
  readonly reporter: Pick<Reporter, 'report'>;
  readonly log: Pick<Logger, 'error'>;
  readonly limits: HttpLimits;
  readonly maxTokens: MaxTokensPolicy;
}
