import { runSchedule, type Send } from '../../../../scripts/lib/measure/drivers.js';
import type { PlannedRequest } from '../../../../scripts/lib/measure/types.js';
import { eventually } from '../../../support/eventually.js';
import { recordOf } from './records.js';

const never = new AbortController().signal;
const plan = (kind: string): PlannedRequest => ({ kind, promptTokens: 1, outputTokens: 1 });

/** Requests that are answered when the test says so. */
class Hand {
  readonly sent: string[] = [];
  readonly sentAt: number[] = [];
  readonly #open = new Map<string, { finish: () => void; tokens: (soFar: number) => void }>();

  readonly send: Send = (planned, onTokens) =>
    new Promise((resolve) => {
      this.sent.push(planned.kind);
      this.sentAt.push(performance.now());
      this.#open.set(planned.kind, {
        finish: () => resolve(recordOf(planned)),
        tokens: (soFar) => onTokens?.(soFar),
      });
    });

  tokens(kind: string, soFar: number): void {
    this.#open.get(kind)!.tokens(soFar);
  }

  async finish(kind: string): Promise<void> {
    this.#open.get(kind)!.finish();
    await new Promise(setImmediate);
  }
}

it('in a closed loop each client sends its next request when its last is answered', async () => {
  const hand = new Hand();
  const requests = ['a', 'b', 'c', 'd', 'e'].map(plan);
  const records = runSchedule({ type: 'closed', clients: 2, requests }, hand.send, never);
  expect(hand.sent).toEqual(['a', 'b']);
  await hand.finish('b');
  expect(hand.sent).toEqual(['a', 'b', 'c']);
  await hand.finish('c');
  await hand.finish('a');
  expect(hand.sent).toEqual(['a', 'b', 'c', 'd', 'e']);
  await hand.finish('d');
  await hand.finish('e');
  expect((await records).map(({ kind }) => kind)).toEqual(['b', 'c', 'a', 'd', 'e']);
});

it('in an open loop each request is sent when it is due, whatever became of the others', async () => {
  const hand = new Hand();
  const due = [0.03, 0.01, 0.02];
  const arrivals = due.map((at) => ({ at, ...plan(`at ${at}`) }));
  const started = performance.now();
  const records = runSchedule({ type: 'open', arrivals }, hand.send, never);
  await eventually('all are sent', () => hand.sent.length === 3);
  expect(hand.sent).toEqual(['at 0.01', 'at 0.02', 'at 0.03']);
  for (const [index, at] of [...due].sort((a, b) => a - b).entries()) {
    // Node's timers may fire a millisecond early.
    expect(hand.sentAt[index]! - started).toBeGreaterThanOrEqual(at * 1000 - 1);
  }
  for (const kind of [...hand.sent]) await hand.finish(kind);
  expect(await records).toHaveLength(3);
});

it('an open loop ends with the benchmark', async () => {
  const stop = new AbortController();
  const arrivals = [{ at: 1_000, ...plan('far') }];
  const records = runSchedule({ type: 'open', arrivals }, new Hand().send, stop.signal);
  stop.abort();
  await expect(records).rejects.toThrow('abort');
});

it('a long prompt is sent alone, and again when all that run have settled', async () => {
  const hand = new Hand();
  const records = runSchedule(
    {
      type: 'injection',
      alone: plan('alone'),
      running: ['one', 'two', 'failing'].map(plan),
      afterTokens: 2,
      injected: plan('injected'),
    },
    hand.send,
    never,
  );
  expect(hand.sent).toEqual(['alone']);
  await hand.finish('alone');
  expect(hand.sent).toEqual(['alone', 'one', 'two', 'failing']);
  hand.tokens('one', 2);
  hand.tokens('two', 1);
  await hand.finish('failing');
  expect(hand.sent).toHaveLength(4);
  hand.tokens('two', 2);
  await eventually('it is injected', () => hand.sent.includes('injected'));
  for (const kind of ['one', 'two', 'injected']) await hand.finish(kind);
  expect((await records).map(({ kind }) => kind)).toEqual(['alone', 'one', 'two', 'failing', 'injected']);
});
