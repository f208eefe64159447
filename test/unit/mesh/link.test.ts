import { setTimeout as delay } from 'node:timers/promises';
import type { ServingError } from '../../../services/lib/errors/serving-error.js';
import { accept, CalleeLink, type StatusFields } from '../../../services/lib/mesh/callee-link.js';
import { connect, type CallerLink, type LinkTiming } from '../../../services/lib/mesh/caller-link.js';
import { introduce, type AgreedPlan, type Identity } from '../../../services/lib/mesh/identity.js';
import type { MessageStream } from '../../../services/lib/mesh/types.js';
import { message } from '../../../services/lib/wire/codec.js';
import { packFrames } from '../../../services/lib/wire/frames.js';
import type { Message } from '../../../services/lib/wire/gen/stage_pb.js';
import { eventually } from '../../support/eventually.js';
import { streamPair } from '../../support/stream-pair.js';

const identityOf = (replica: string, plan: Partial<AgreedPlan> = {}): Identity => ({
  appId: `app-${replica}`,
  replica,
  host: 'here',
  pid: 1,
  plan: { modelDigest: 'd', precision: 'f32', activations: 'f32', split: [10, 20], ...plan },
});

const idle: StatusFields = {
  draining: false,
  sequences: 3,
  kvUsed: 10,
  kvCapacity: 100,
  busyRatio: 0.5,
  rssBytes: 1e9,
  nextReplicas: ['n'],
  enginesAfter: [
    { replica: 'n', owner: 'p', processors: 2, threads: 1, meanStepSeconds: 0.02, hopSeconds: 0.001 },
  ],
};

const timing: LinkTiming = { handshakeMs: 200, pingMs: 20, maxMissed: 3 };

interface Both {
  caller: CallerLink;
  callee: CalleeLink;
  received: Message[];
  room: number;
  ends: ServingError[];
}

/** What callees say of those that they refused, to themselves. */
const refusals: string[] = [];

/** A caller's and a callee's link over one stream. */
async function link(callerIdentity = identityOf('caller')): Promise<Both> {
  const [near, far] = streamPair();
  const both = { received: [], ends: [], room: 0 } as unknown as Both;
  accept(
    far,
    identityOf('callee'),
    () => idle,
    {
      onLink: (callee) => (both.callee = callee),
      onMessage: (_link, received) => both.received.push(received),
      onEnd: (_link, reason) => both.ends.push(reason),
      onRefused: (reason) => refusals.push(reason.message),
    },
    timing,
  );
  both.caller = await connect(
    near,
    callerIdentity,
    {
      onMessage: () => undefined,
      onEnd: (_link, reason) => both.ends.push(reason),
      onRoom: () => both.room++,
    },
    { timing },
  );
  return both;
}

const frameOf = (floats: number) =>
  packFrames([
    {
      item: { sequence: 's', epoch: 1, position: 0, count: 1, logits: 0, draft: [] },
      activations: new Float32Array(floats),
    },
  ])[0]!;

describe('a link', () => {
  it('begins with hello and welcome, and knows whom it reached', async () => {
    const { caller, callee } = await link();
    expect([caller.appId, caller.replica, caller.host]).toEqual(['app-callee', 'callee', 'here']);
    expect(callee.replica).toBe('caller');
    expect(caller.status).toMatchObject({ sequences: 3, kvCapacity: 100, nextReplicas: ['n'] });
    caller.close();
  });

  it.each<[string, Partial<AgreedPlan>]>([
    ['split [15], not [10,20]', { split: [15] }],
    ['activations f16, not f32', { activations: 'f16' }],
  ])('is refused between processes with different plans, and not told why: %s', async (why, plan) => {
    await expect(link(identityOf('caller', plan))).rejects.toMatchObject({
      code: 'protocol_mismatch',
      message: 'not what is served here',
    });
    expect(refusals.at(-1)).toContain(why);
  });

  it('is given up when nobody says welcome', async () => {
    const [near] = streamPair();
    const silent = connect(
      near,
      identityOf('caller'),
      { onMessage: () => undefined, onEnd: () => undefined },
      { timing },
    );
    await expect(silent).rejects.toMatchObject({ code: 'stream_broken' });
  });

  it('ends when pings stay unanswered', async () => {
    const [near, far] = streamPair();
    far.listen({
      onMessage: ({ body }) => {
        const value = { appId: 'a', replica: 'r', status: idle, creditBytes: 1 };
        if (body.case === 'hello') far.send(message({ case: 'welcome', value }));
      },
      onEnd: () => undefined,
    });
    const ended = new Promise<ServingError>((resolve) => {
      const events = {
        onMessage: () => undefined,
        onEnd: (_: CallerLink, reason: ServingError) => resolve(reason),
      };
      void connect(near, identityOf('caller'), events, { timing });
    });
    expect((await ended).message).toBe('a/r does not answer');
  });

  it('ends when nothing is heard of a caller that has not gone', async () => {
    const [near, far] = streamPair();
    const ended = new Promise<ServingError>((resolve) => {
      const events = {
        onLink: () => undefined,
        onMessage: () => undefined,
        onEnd: (_: CalleeLink, reason: ServingError) => resolve(reason),
      };
      accept(far, identityOf('callee'), () => idle, events, timing);
    });
    near.listen({ onMessage: () => undefined, onEnd: () => undefined });
    near.send(message({ case: 'hello', value: introduce(identityOf('caller'), '') }));
    expect((await ended).message).toBe('app-caller/caller has fallen silent');
  });

  it('keeps alive while pings are answered, and brings the status along', async () => {
    const { caller, ends } = await link();
    const first = caller.status;
    await eventually('a later status', () => caller.status !== first);
    // Longer than a silent caller is waited for.
    await delay(10 * timing.pingMs);
    expect(ends).toEqual([]);
    caller.close();
  });

  it('gives credit back in lumps, and no message for each frame that waits for nobody', () => {
    const credits: number[] = [];
    const stream: MessageStream = {
      send: ({ body }) => {
        if (body.case === 'credit') credits.push(body.value.bytes);
      },
      end: () => undefined,
      listen: () => undefined,
    };
    const callee = new CalleeLink(stream, { appId: 'a', replica: 'r', traceparent: '' });
    const bytes = 100 << 10;
    for (let frame = 0; frame < 12; frame++) {
      callee.hold(bytes);
      callee.consumed(bytes);
    }
    expect(credits).toEqual([11 * bytes]);
  });

  it('holds frames back without credit, and sends them in order once there is some', async () => {
    const { caller, callee, received, ...rest } = await link();
    const big = 1 << 18; // floats in 1 MiB
    for (let index = 0; index < 12; index++) caller.sendFrame(frameOf(big + index));
    expect(caller.congested).toBe(true);
    await eventually('the first window', () => received.length === 8);
    for (let consumed = 0; consumed < 12; consumed++) {
      const frame = await eventually('the next frame', () => received[consumed]);
      if (frame.body.case !== 'frame') throw new Error('not a frame');
      expect(frame.body.value.activations.length).toBe((big + consumed) * 4);
      callee.consumed(frame.body.value.activations.length);
    }
    await eventually('room', () => !caller.congested);
    expect(rest.ends).toEqual([]);
    caller.close();
  });

  it('ends when a caller sends without credit', async () => {
    const { caller, ends, callee } = await link();
    const frame = message({ case: 'frame', value: frameOf(1 << 20) });
    for (let index = 0; index < 7; index++) caller.send(frame);
    await eventually('the end on both sides', () => ends.length === 2);
    expect(ends[0]!.code).toBe('protocol_mismatch');
    callee.close();
  });
});
