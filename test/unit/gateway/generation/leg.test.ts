import { setImmediate as afterThisTurn } from 'node:timers/promises';
import { chunkRows, Leg, Outbox } from '../../../../services/gateway/generation/leg.js';
import type { CallerLink } from '../../../../services/lib/mesh/caller-link.js';
import type { Frame, Message } from '../../../../services/lib/wire/gen/stage_pb.js';
import { greedy } from '../../../support/sampling.js';

describe('a leg', () => {
  let sent: string[];
  let leg: Leg;
  beforeEach(() => {
    sent = [];
    const link = { send: ({ body }: Message) => sent.push(body.case!) } as unknown as CallerLink;
    leg = new Leg({
      id: 's',
      epoch: 1,
      route: [link, link],
      request: { prompt: [1, 2], sampling: greedy, maxTokens: 2 },
      tokens: [1, 2],
      gateway: 'g',
      outbox: new Outbox(),
      prefillChunk: (rows) => rows,
      drafter: null,
      scores: null,
      prefix: null,
    });
  });

  it('that is closed before it is opened opens nothing, and computes nothing', async () => {
    leg.close(true);
    expect(await leg.open()).toBe(false);
    expect(await leg.step()).toBeNull();
    leg.agreed(0);
    expect(leg.openMs).toBeNull();
    expect(sent).not.toContain('open');
  });

  it('that is closed while the route has not agreed is not open, whatever comes later', async () => {
    const opening = leg.open();
    leg.close(true);
    leg.agreed(0);
    expect(await opening).toBe(false);
    expect(leg.openMs).toBeNull();
    expect(sent).toEqual(['open', 'close']);
  });
});

describe('the outbox', () => {
  it('sends what leaves for one replica in one turn as one frame', async () => {
    const frames: [string, Frame][] = [];
    const linkTo = (name: string) =>
      ({ sendFrame: (frame: Frame) => frames.push([name, frame]) }) as unknown as CallerLink;
    const [a, b] = [linkTo('a'), linkTo('b')];
    const rows = (sequence: string, token: number) => ({
      item: { sequence, epoch: 1, position: 0, count: 1, logits: 1, draft: [] },
      tokens: [token],
    });
    const outbox = new Outbox();
    outbox.add(a, rows('x', 1));
    outbox.add(b, rows('y', 2));
    outbox.add(a, rows('z', 3));
    expect(frames).toEqual([]);
    await afterThisTurn();
    expect(frames.map(([name, frame]) => [name, frame.tokens])).toEqual([
      ['a', [1, 3]],
      ['b', [2]],
    ]);
  });
});

describe('chunks of a prompt', () => {
  test.each([
    ['one prompt over several stages', { rows: 128, running: 1, stages: 3 }, { most: 256, alone: 64 }, 64],
    ['a little more than two chunks', { rows: 136, running: 1, stages: 3 }, { most: 256, alone: 64 }, 68],
    ['too much for two chunks', { rows: 150, running: 1, stages: 3 }, { most: 256, alone: 64 }, 50],
    ['a single row', { rows: 1, running: 1, stages: 3 }, { most: 256, alone: 64 }, 1],
    ['as many sequences as stages', { rows: 128, running: 3, stages: 3 }, { most: 256, alone: 64 }, 256],
    ['a model that is not split', { rows: 128, running: 1, stages: 1 }, { most: 256, alone: 64 }, 256],
    ['a bound that is smaller already', { rows: 128, running: 1, stages: 3 }, { most: 16, alone: 64 }, 16],
    ['rows that a GPU wants', { rows: 1_000, running: 1, stages: 4 }, { most: 512, alone: 256 }, 250],
    ['fewer than a GPU wants', { rows: 280, running: 1, stages: 4 }, { most: 512, alone: 256 }, 280],
  ])('%s', (_name, load, limits, expected) => {
    expect(chunkRows(limits, load)).toBe(expected);
  });
});
