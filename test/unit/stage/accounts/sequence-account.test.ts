import { ServingError } from '../../../../services/lib/errors/serving-error.js';
import { contextOf } from '../../../../services/lib/telemetry/trace-context.js';
import {
  SequenceAccount,
  spansOf,
  type SequenceSpans,
  type TracedStep,
} from '../../../../services/stage/accounts/sequence-account.js';
import { trace } from '@opentelemetry/api';
import { hasFailed, recordSpans } from '../../../support/spans.js';

const TRACE = '0af7651916cd43dd8448eb211c80319c';
const open = { sequence: 's', epoch: 1, traceparent: `00-${TRACE}-b7ad6b7169203331-01` };
const labels = { index: 1, layers: '10-19', replica: 'me' };
const link = { traceparent: `00-${'c'.repeat(32)}-${'d'.repeat(16)}-01` };
const ASKED = '00f067aa0ba902b7';

const step = (
  number: number,
  queue: number,
  compute: number,
  fields: Partial<TracedStep> = {},
): TracedStep => {
  const since = 100 + number;
  const started = since + queue;
  return {
    phase: 'decode',
    since,
    started,
    ended: started + compute,
    tokens: 1,
    batchSize: 4,
    step: number,
    ...fields,
  };
};

describe('the spans of a sequence in a stage', () => {
  const { tracer, spans } = recordSpans();
  const sequence = (): SequenceSpans => spansOf(tracer, labels, open, link)!;

  it('are none where the request is not traced', () => {
    expect(spansOf(tracer, labels, { ...open, traceparent: '' }, link)).toBeNull();
  });

  it('are one for each step that the gateway asked to see, under the span that it named', () => {
    const traced = sequence();
    expect(traced.ran(step(1, 0.002, 0.004), '')).toBe('');
    const id = traced.ran(step(2, 0.001, 0.003, { phase: 'prefill', tokens: 64 }), ASKED);
    const span = spans().at(-1)!;
    expect(span.spanContext()).toMatchObject({ traceId: TRACE, spanId: id });
    expect(span.parentSpanContext?.spanId).toBe(ASKED);
    expect(span.name).toBe('stage.prefill');
    expect(span.attributes).toMatchObject({
      'layermesh.stage.index': 1,
      'layermesh.stage.layers': '10-19',
      'layermesh.stage.replica': 'me',
      'layermesh.stage.phase': 'prefill',
      'layermesh.stage.batch_size': 4,
      'layermesh.stage.tokens': 64,
      'layermesh.stage.step': 2,
    });
    expect(span.attributes['layermesh.stage.queue_ms']).toBeCloseTo(1);
    expect(span.attributes['layermesh.stage.compute_ms']).toBeCloseTo(3);
    expect(span.duration[0] * 1e3 + span.duration[1] / 1e6).toBeCloseTo(4);
  });

  it('say so where an engine only takes time', () => {
    for (const engine of ['timed (a100-40g, cost model 1)', null]) {
      spansOf(tracer, { ...labels, engine }, open, link)!.ran(step(1, 0.002, 0.004), ASKED);
      expect(spans().at(-1)!.attributes['layermesh.engine']).toBe(engine ?? undefined);
    }
  });

  it('end with totals of all steps, whatever was sampled, and with the slowest step', () => {
    const traced = sequence();
    traced.ran(step(1, 0.01, 0.1, { phase: 'prefill', tokens: 64 }), ASKED);
    traced.ran(step(2, 0.001, 0.002), ASKED);
    traced.ran(step(3, 0.001, 0.02), '');
    traced.ran(step(4, 0.001, 0.002), '');
    const before = spans().length;
    traced.end();
    const [slowest, whole] = spans().slice(before);
    expect(slowest!.attributes).toMatchObject({ 'layermesh.stage.step': 3, 'layermesh.stage.slowest': true });
    expect(slowest!.parentSpanContext?.spanId).toBe(whole!.spanContext().spanId);
    expect(whole!.name).toBe('stage.sequence');
    expect(whole!.attributes).toMatchObject({
      'layermesh.stage.prefill.steps': 1,
      'layermesh.stage.prefill.tokens': 64,
      'layermesh.stage.decode.steps': 3,
      'layermesh.stage.decode.tokens': 3,
    });
    expect(whole!.attributes['layermesh.stage.decode.compute_ms']).toBeCloseTo(24);
    expect(whole!.attributes['layermesh.stage.decode.queue_ms']).toBeCloseTo(3);
  });

  it('show a slowest step that was sampled only once', () => {
    const traced = sequence();
    traced.ran(step(1, 0.001, 0.5), ASKED);
    traced.ran(step(2, 0.001, 0.002), '');
    const before = spans().length;
    traced.end();
    expect(
      spans()
        .slice(before)
        .map(({ name }) => name),
    ).toEqual(['stage.sequence']);
  });

  it('name the error that ended the sequence', () => {
    const traced = sequence();
    traced.end(new ServingError('stream_broken', 'lost'));
    expect(hasFailed(spans().at(-1)!)).toBe(true);
    expect(spans().at(-1)!.attributes['error.type']).toBe('stream_broken');
  });

  it('give the next stage its parent', () => {
    const traced = sequence();
    const next = trace.getSpanContext(contextOf(traced.traceparent))!;
    traced.end();
    expect(next.traceId).toBe(TRACE);
    expect(next.spanId).toBe(spans().at(-1)!.spanContext().spanId);
    // The sidecars' spans are in the trace of the link that the sequence came over.
    expect(spans().at(-1)!.links[0]!.context.traceId).toBe('c'.repeat(32));
  });
});

describe('the account of a sequence', () => {
  it('counts its computing, a running step too, and what it has waited since', () => {
    const account = new SequenceAccount(null);
    expect(account.waitingSince(3)).toBe(3);
    account.begin(4);
    expect(account.computed(4.5)).toBeCloseTo(0.5);
    account.end(6);
    expect(account.computed(9)).toBeCloseTo(2);
    // Rows that came while an earlier step of their own ran have waited for the engine since it ended.
    expect(account.waitingSince(5)).toBe(6);
    expect(account.waitingSince(7)).toBe(7);
  });
});
