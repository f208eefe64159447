import fc from 'fast-check';
import { message, type BodyOf } from '../../../../services/lib/wire/codec.js';
import { Account, BusyMeter } from '../../../../services/stage/accounts/account.js';
import { createStageMetrics } from '../../../../services/stage/accounts/metrics.js';
import { SequenceAccount } from '../../../../services/stage/accounts/sequence-account.js';
import type { Stage } from '../../../../services/stage/stage.js';
import type { Part } from '../../../../services/stage/step/part.js';
import { eventually } from '../../../support/eventually.js';
import { recordSpans } from '../../../support/spans.js';
import { FakeEngine } from '../fake-engine.js';
import {
  callerOf,
  frameOf,
  nextStage,
  openOf,
  stageWith,
  tokensOf,
  type Caller,
  type NextStage,
} from '../stage-bench.js';

describe('the account of a stage', () => {
  const { tracer, spans } = recordSpans();
  const ASKED = '00f067aa0ba902b7';
  let engine: FakeEngine;
  let next: NextStage;
  let stage: Stage;
  let gateway: Caller;
  /** With one sequence, which is traced. */
  beforeEach(async () => {
    engine = new FakeEngine(({ tokens }) => ({ hidden: new Float32Array(tokens!.length) }));
    next = await nextStage(() => stage);
    stage = stageWith({ engine, next: next.links, tracer });
    gateway = await callerOf(stage, 'gateway', 'g');
    const open = openOf('a').body.value as BodyOf<'open'>;
    const traceparent = `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`;
    gateway.link.send(message({ case: 'open', value: { ...open, traceparent } }));
    await eventually('the open', () => next.inbox.all('open').length === 1);
  });
  afterEach(() => {
    gateway.link.close();
    next.end();
  });
  const feed = (): void => {
    const rows = tokensOf('a', 0, [1], { logits: 1 });
    gateway.link.sendFrame(frameOf({ ...rows, item: { ...rows.item, parent: ASKED } }));
  };

  it('tells of a step alike in the span, in what goes out with the rows, and in the status', async () => {
    feed();
    await eventually('the frame', () => next.inbox.all('frame').length === 1);
    const { parent, path } = next.inbox.all('frame')[0]!.items[0]!;
    const span = spans().find(({ name }) => name === 'stage.decode')!;
    expect(span.parentSpanContext?.spanId).toBe(ASKED);
    expect(parent).toBe(span.spanContext().spanId);
    const { 'layermesh.stage.queue_ms': queueMs, 'layermesh.stage.compute_ms': computeMs } = span.attributes;
    const [{ queue, compute }] = path as [(typeof path)[0]];
    expect(compute).toBeGreaterThan(0);
    expect(Math.abs(compute - (computeMs as number) * 1e3)).toBeLessThanOrEqual(1);
    expect(Math.abs(queue - (queueMs as number) * 1e3)).toBeLessThanOrEqual(1);
    const { prefill, decode, stepSeconds } = stage.status();
    expect([prefill!.steps, stepSeconds]).toEqual([0, 0]);
    expect(decode).toMatchObject({ steps: 1, parts: 1, busySeconds: engine.stepSeconds });
    expect(Math.abs(queue - decode!.queueSeconds * 1e6)).toBeLessThanOrEqual(1);
  });

  it('books no span of a sequence that ends during its step', async () => {
    const release = engine.hold();
    feed();
    await eventually('the step', () => engine.steps.length === 1);
    const before = spans().length;
    gateway.link.close();
    await eventually('its end', () => stage.sequences === 0);
    release();
    await eventually('the step over', () => stage.status().decode!.steps === 1);
    expect(
      spans()
        .slice(before)
        .map(({ name }) => name),
    ).toEqual(['stage.sequence']);
  });

  it('tells once how long rows waited whose step was tried again', async () => {
    const gauges = { queueDepth: () => 0, sequences: () => 0, kvUsedRatio: () => 0 };
    const metrics = createStageMetrics({ stage: '0', layers: '0-3' }, gauges);
    const account = new Account({ metrics, tracer, labels: { index: 0, layers: '0-3', replica: 'r' } });
    const sequence = { account: new SequenceAccount(null), isOpen: true };
    const arrival = account.rowsArrived(sequence.account);
    const part = { sequence, item: { count: 1, logits: 1 }, arrival } as unknown as Part;
    account.stepBegan([part]);
    account.stepFailed();
    account.stepBegan([part]);
    account.stepEnded([part], 0.01);
    const lines = (await metrics.registry.metrics()).split('\n');
    const waited = lines.filter((line) => line.startsWith('layermesh_stage_queue_seconds_count{'));
    expect(waited.find((line) => line.includes('phase="decode"'))).toMatch(/ 1$/);
  });
});

describe('the busy meter', () => {
  it('is idle at first and busy while all time is booked', () => {
    const meter = new BusyMeter(100);
    expect(meter.ratio(100)).toBe(0);
    for (let now = 100.5; now <= 130; now += 0.5) meter.add(0.5, now);
    expect(meter.ratio(130)).toBeCloseTo(1, 5);
  });

  it.each([0.1, 0.5, 0.9])('is half busy when half of all time is booked, %s s into a second', (into) => {
    const meter = new BusyMeter(100);
    for (let tick = 1; tick <= 300 + into * 10; tick++) meter.add(0.05, 100 + tick / 10);
    expect(meter.ratio(130 + into)).toBeCloseTo(0.5, 2);
  });

  it('forgets what is older than its window', () => {
    const meter = new BusyMeter(0);
    meter.add(5, 5);
    expect(meter.ratio(5)).toBeCloseTo(1, 5);
    expect(meter.ratio(60)).toBe(0);
  });

  it('stays between 0 and 1 and close to what was booked', () => {
    const intervals = fc.array(
      fc.tuple(fc.double({ min: 0, max: 0.5, noNaN: true }), fc.double({ min: 0, max: 0.5, noNaN: true })),
      {
        minLength: 40,
        maxLength: 80,
      },
    );
    fc.assert(
      fc.property(intervals, (steps) => {
        const meter = new BusyMeter(7);
        let now = 7;
        const booked: [end: number, seconds: number][] = [];
        for (const [idle, busy] of steps) {
          now += idle + busy;
          meter.add(busy, now);
          booked.push([now, busy]);
          expect(meter.ratio(now)).toBeGreaterThanOrEqual(0);
          expect(meter.ratio(now)).toBeLessThanOrEqual(1);
        }
        const span = Math.min(10, now - 7);
        if (span < 5) return;
        const recent = booked
          .filter(([end]) => end > now - span)
          .reduce((sum, [, seconds]) => sum + seconds, 0);
        // The ring keeps whole seconds, so up to one second more or less than the window is counted.
        expect(Math.abs(meter.ratio(now) - recent / span)).toBeLessThanOrEqual(1.5 / span);
      }),
    );
  });
});
