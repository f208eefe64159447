import { create } from '@bufbuild/protobuf';
import { ROOT_CONTEXT, trace, TraceFlags } from '@opentelemetry/api';
import { setTimeout as delay } from 'node:timers/promises';
import { SequenceTrace, type Round } from '../../../services/gateway/sequence-trace.js';
import { serverTiming, timingsOf } from '../../../services/gateway/timings.js';
import { StageTimeSchema, type StageTime } from '../../../services/lib/wire/gen/stage_pb.js';
import { recordSpans } from '../../support/spans.js';

const route = [
  { appId: 'stage-0', replica: 'a' },
  { appId: 'stage-1', replica: 'b' },
];
const time = (queue: number, compute: number): StageTime => create(StageTimeSchema, { queue, compute });

function traceOf(sampled: boolean) {
  const { tracer, spans } = recordSpans();
  const root = tracer.startSpan('chat', {}, ROOT_CONTEXT).spanContext();
  const parent = { ...root, traceFlags: sampled ? TraceFlags.SAMPLED : TraceFlags.NONE };
  const rounds: Round[] = [];
  const sequence = new SequenceTrace({
    tracer,
    parent,
    decodeInterval: 2,
    onRound: (round) => rounds.push(round),
  });
  sequence.routed(route);
  return { sequence, rounds, spans, parent };
}

describe('the trace of a sequence', () => {
  it('tells rounds of the first token from those after it', () => {
    const { sequence, rounds } = traceOf(false);
    sequence.asked();
    sequence.answered([time(1_000, 2_000), time(500, 3_000)], 1);
    sequence.asked();
    sequence.answered([time(0, 1_000), time(0, 1_500)], 3);
    expect(rounds).toMatchObject([
      {
        phase: 'prefill',
        tokens: 1,
        route,
        path: [
          { queue: 1, compute: 2 },
          { queue: 0.5, compute: 3 },
        ],
      },
      { phase: 'decode', tokens: 3 },
    ]);
    expect(sequence.times().decode).toMatchObject({ rounds: 1, stages: [{ compute: 1 }, { compute: 1.5 }] });
  });

  it('asks for spans of the first round of each phase, and of every so manieth', () => {
    const { sequence, spans, parent } = traceOf(true);
    const asked = Array.from({ length: 5 }, () => {
      const id = sequence.asked();
      sequence.answered([], 1);
      return id;
    });
    sequence.end();
    const [prefill, decode] = spans().filter(({ name }) => name !== 'chat');
    expect([prefill!.name, decode!.name]).toEqual(['prefill', 'decode']);
    expect(prefill!.parentSpanContext?.spanId).toBe(parent.spanId);
    const seen = decode!.spanContext().spanId;
    expect(asked).toEqual([prefill!.spanContext().spanId, seen, '', seen, '']);
    expect(decode!.attributes['layermesh.rounds']).toBe(4);
  });

  it('asks for none where the request is not sampled', () => {
    const { sequence } = traceOf(false);
    expect(sequence.traceparent).toBe('');
    expect(sequence.asked()).toBe('');
    sequence.end();
  });

  it('ends its spans when the sequence ends early', () => {
    const { sequence, spans } = traceOf(true);
    sequence.asked();
    sequence.end();
    expect(spans().map(({ name }) => name)).toEqual(['prefill']);
    expect(trace.isSpanContextValid(spans()[0]!.spanContext())).toBe(true);
  });
});

test('timings add up to what passed between arrival and now', async () => {
  const arrived = performance.now();
  const { sequence } = traceOf(false);
  for (let round = 0; round < 3; round++) {
    sequence.asked();
    await delay(20);
    sequence.answered([time(2_000, 3_000), time(1_000, 4_000)], 1);
    await delay(10); // The client takes its time.
  }
  const timings = timingsOf(arrived, 0, { tokenize: 0, admission: 0, route: 0 }, [sequence]);
  const inStages = timings.stages
    .flatMap(({ prefill, decode }) => [prefill, decode])
    .reduce((sum, { queue_ms, compute_ms }) => sum + queue_ms + compute_ms, 0);
  const parts =
    timings.tokenize_ms +
    timings.queue_ms +
    timings.route_ms +
    timings.gateway_ms +
    inStages +
    timings.hops.prefill_ms +
    timings.hops.decode_ms;
  expect(inStages).toBeCloseTo(30, 3);
  expect(timings.gateway_ms).toBeGreaterThan(25);
  expect(Math.abs(parts / timings.total_ms - 1)).toBeLessThan(0.03);
  expect(serverTiming(timings)).toMatch(/^total;dur=[\d.]+, tokenize;dur=0, .*stage-1;dur=15, hops;dur=/);
});
