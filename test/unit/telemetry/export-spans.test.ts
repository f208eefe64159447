import { ExportResultCode, type ExportResult } from '@opentelemetry/core';
import { BasicTracerProvider } from '@opentelemetry/sdk-trace-base';
import { CountedSpans, type SpanOutcome } from '../../../services/lib/telemetry/export-spans.js';

/** A collector that answers when the test says so. */
class HeldExporter {
  readonly waiting: ((result: ExportResult) => void)[] = [];
  export = (_spans: unknown, done: (result: ExportResult) => void): void => void this.waiting.push(done);
  shutdown = (): Promise<void> => Promise.resolve();
  answer(code: ExportResultCode): void {
    for (const done of this.waiting.splice(0)) done({ code });
  }
}

function start() {
  const exporter = new HeldExporter();
  const counts: Record<SpanOutcome, number> = { exported: 0, failed: 0, dropped: 0 };
  const processor = new CountedSpans(exporter, (outcome, spans) => (counts[outcome] += spans));
  const tracer = new BasicTracerProvider({ spanProcessors: [processor] }).getTracer('test');
  const make = (spans: number): void => {
    for (let index = 0; index < spans; index++) tracer.startSpan('span').end();
  };
  return { exporter, counts, processor, make };
}

test('counts what was exported and what failed', async () => {
  const { exporter, counts, processor, make } = start();
  make(3);
  const flushed = processor.forceFlush();
  exporter.answer(ExportResultCode.SUCCESS);
  await flushed;
  make(2);
  const refused = processor.forceFlush().catch(() => undefined);
  exporter.answer(ExportResultCode.FAILED);
  await refused;
  expect(counts).toEqual({ exported: 3, failed: 2, dropped: 0 });
});

test('drops, and counts, what a collector that does not answer leaves no room for', async () => {
  const { exporter, counts, processor, make } = start();
  make(5_000);
  const flushed = processor.shutdown();
  while (counts.exported + counts.dropped < 5_000) {
    exporter.answer(ExportResultCode.SUCCESS);
    await new Promise(setImmediate);
  }
  await flushed;
  expect(counts.exported + counts.dropped).toBe(5_000);
  expect(counts.exported).toBeLessThanOrEqual(2_048 + 512);
  expect(counts.dropped).toBeGreaterThan(2_000);
});
