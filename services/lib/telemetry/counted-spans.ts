import { ExportResultCode, type ExportResult } from '@opentelemetry/core';
import {
  BatchSpanProcessor,
  type ReadableSpan,
  type Span,
  type SpanExporter,
  type SpanProcessor,
} from '@opentelemetry/sdk-trace-base';
import type { Context } from '@opentelemetry/api';

export type SpanOutcome = 'exported' | 'failed' | 'dropped';

/** Spans that may wait for the exporter; more are dropped. */
const MAX_QUEUE = 2_048;

/**
 * Exports spans in batches from a bounded queue and counts what became of each: a collector that is slow or gone
 * costs spans, which must be seen, and nothing else.
 */
export class CountedSpans implements SpanProcessor {
  readonly #batches: BatchSpanProcessor;
  readonly #count: (outcome: SpanOutcome, spans: number) => void;
  #waiting = 0;

  constructor(exporter: SpanExporter, count: (outcome: SpanOutcome, spans: number) => void) {
    this.#count = count;
    this.#batches = new BatchSpanProcessor(this.#counting(exporter), {
      maxQueueSize: MAX_QUEUE,
      scheduledDelayMillis: 1_000,
    });
  }

  onStart(span: Span, parent: Context): void {
    this.#batches.onStart(span, parent);
  }

  onEnd(span: ReadableSpan): void {
    // As the batch processor does, which keeps the number to itself.
    if (this.#waiting >= MAX_QUEUE) this.#count('dropped', 1);
    else this.#waiting++;
    this.#batches.onEnd(span);
  }

  forceFlush(): Promise<void> {
    return this.#batches.forceFlush();
  }

  shutdown(): Promise<void> {
    return this.#batches.shutdown();
  }

  #counting(exporter: SpanExporter): SpanExporter {
    return {
      export: (spans: ReadableSpan[], done: (result: ExportResult) => void): void => {
        this.#waiting -= spans.length;
        exporter.export(spans, (result) => {
          this.#count(result.code === ExportResultCode.SUCCESS ? 'exported' : 'failed', spans.length);
          done(result);
        });
      },
      shutdown: () => exporter.shutdown(),
      forceFlush: () => exporter.forceFlush?.() ?? Promise.resolve(),
    };
  }
}
