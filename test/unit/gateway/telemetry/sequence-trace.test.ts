import { create } from '@bufbuild/protobuf';
import { ROOT_CONTEXT, trace, TraceFlags } from '@opentelemetry/api';
import { setTimeout as delay } from 'node:timers/promises';
import type { Round } from '../../../../services/gateway/telemetry/rounds.js';
import { SequenceTrace } from '../../../../services/gateway/telemetry/sequence-trace.js';
import { serverTiming, timingsOf, type Timings } from '../../../../services/gateway/telemetry/timings.js';
import {
  ChunkTimeSchema,
  StageTimeSchema,
  type StageTime,
} from '../../../../services/lib/wire/gen/stage_pb.js';
import { recordSpans } from '../../../support/spans.js';

const route = [
  { appId: 'stage-0', replica: 'a' },
  { appId: 'stage-1', replica: 'b' },
];
const time = (queue: number, compute: number): StageTime => create(StageTimeSchema, { queue, compute });

/** As a generation does that has a route. */
function ask(sequence: SequenceTrace, feeds: 'prompt' | 'token' = 'token'): string {
  sequence.wanted();
  return sequence.asked(feeds);
}

function traceOf(sampled: boolean) {
  const { tracer, spans } = recordSpans();
  const root = tracer.startSpan('chat', {}, ROOT_CONTEXT).spanContext();
  const parent = { ...root, traceFlags: sampled ? TraceFlags.SAMPLED : TraceFlags.NONE };
  const rounds: Round[] = [];
  const sequence = new SequenceTrace({
    tracer,
    parent,
    arrived: performance.now(),
    decodeInterval: 2,
    onRound: (round) => rounds.push(round),
  });
  sequence.routed(route);
  return { sequence, rounds, spans, parent };
}

describe('the trace of a sequence', () => {
  it('tells rounds of the first token from those after it', () => {
    const { sequence, rounds } = traceOf(false);
    ask(sequence, 'prompt');
    sequence.answered([time(1_000, 2_000), time(500, 3_000)], 1);
    ask(sequence);
    sequence.answered([time(0, 1_000), time(0, 1_500)], 3);
    expect(rounds).toMatchObject([
      {
        phase: 'prefill',
        tokens: 1,
        route,
        path: [
          { queue: 0.001, compute: 0.002 },
          { queue: 0.0005, compute: 0.003 },
        ],
      },
      { phase: 'decode', tokens: 3 },
    ]);
    const { decode } = sequence.times();
    expect(decode.rounds).toBe(1);
    expect([...decode.stages.values()]).toMatchObject([{ compute: 0.001 }, { compute: 0.0015 }]);
  });

  it("tells of a prompt's chunks before the last, of very many the last ones", () => {
    const { sequence, rounds } = traceOf(false);
    ask(sequence, 'prompt');
    const chunks = Array.from({ length: 100 }, (_, index) =>
      create(ChunkTimeSchema, { rows: index, compute: 2_000, ago: 5_000 }),
    );
    sequence.answered([create(StageTimeSchema, { queue: 0, compute: 1_000, chunks })], 1);
    const told = rounds[0]!.path[0]!.chunks!;
    expect(told).toHaveLength(64);
    expect(told.at(-1)).toEqual({ rows: 99, compute: 0.002, ago: 0.005 });
    expect(sequence.trail.view().rounds[0]!.stages[0]!.chunks!.at(-1)).toEqual({
      rows: 99,
      compute_ms: 2,
      ago_ms: 5,
    });
  });

  it('asks for spans of the first round of each phase, and of every nth', () => {
    const { sequence, spans, parent } = traceOf(true);
    const asked = Array.from({ length: 5 }, () => {
      const id = ask(sequence);
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
    expect(ask(sequence)).toBe('');
    sequence.end();
  });

  it('ends its spans when the sequence ends early', () => {
    const { sequence, spans } = traceOf(true);
    ask(sequence);
    sequence.end();
    expect(spans().map(({ name }) => name)).toEqual(['prefill']);
    expect(trace.isSpanContextValid(spans()[0]!.spanContext())).toBe(true);
  });
});

/** All that `total_ms` is the sum of. */
function partsOf(timings: Timings): number {
  const { tokenize_ms, queue_ms, route_ms, gateway_ms, reroute_ms, hops, stages } = timings;
  const inStages = stages
    .flatMap(({ prefill, decode }) => [prefill, decode])
    .reduce((sum, stage) => sum + stage.queue_ms + stage.compute_ms, 0);
  return (
    tokenize_ms + queue_ms + route_ms + gateway_ms + reroute_ms + inStages + hops.prefill_ms + hops.decode_ms
  );
}

const noPhases = { tokenize: 0, admission: 0, route: 0 };

test('timings add up to what passed between arrival and now', async () => {
  const { sequence } = traceOf(false);
  const arrived = performance.now();
  for (let round = 0; round < 3; round++) {
    ask(sequence);
    await delay(20);
    sequence.answered([time(2_000, 3_000), time(1_000, 4_000)], 1);
    await delay(10); // The client takes its time.
  }
  const timings = timingsOf(arrived, 0, noPhases, [sequence]);
  expect(timings.gateway_ms).toBeGreaterThan(25);
  expect(timings.stages[0]!.decode).toEqual({ queue_ms: 4, compute_ms: 6 });
  expect(Math.abs(partsOf(timings) / timings.total_ms - 1)).toBeLessThan(0.03);
  expect(serverTiming(timings)).toMatch(/^total;dur=[\d.]+, tokenize;dur=0, .*stage-1;dur=15, hops;dur=/);
});

test('waiting for a route, and in vain for one that breaks, is told apart', async () => {
  const { sequence } = traceOf(true);
  const arrived = performance.now();
  ask(sequence, 'prompt');
  await delay(20);
  sequence.answered([], 1);
  sequence.wanted(); // There is no route just now.
  await delay(30);
  sequence.asked('prompt');
  await delay(30); // It breaks before it answers.
  expect(sequence.asked('prompt')).not.toBe('');
  await delay(20);
  sequence.answered([], 1);
  const timings = timingsOf(arrived, 0, noPhases, [sequence]);
  expect(timings.reroute_ms).toBeGreaterThan(55);
  expect(timings.decode_ms).toBeLessThan(timings.reroute_ms);
  expect(Math.abs(partsOf(timings) / timings.total_ms - 1)).toBeLessThan(0.03);
});

test('of several choices, the one that was answered last is told of', async () => {
  const [short, long] = [traceOf(false).sequence, traceOf(false).sequence];
  const arrived = performance.now();
  for (const sequence of [short, long]) {
    ask(sequence, 'prompt');
    sequence.answered([time(0, 1_000)], 1);
  }
  for (let round = 0; round < 3; round++) {
    ask(long);
    await delay(5);
    long.answered([time(0, 1_000)], 1);
  }
  expect(timingsOf(arrived, 0, noPhases, [short, long]).decode_rounds).toBe(3);
});
