import { setImmediate as afterThisTurn } from 'node:timers/promises';
import { Outbox } from '../../../../services/gateway/generation/leg.js';
import type { CallerLink } from '../../../../services/lib/mesh/caller-link.js';
import type { Frame } from '../../../../services/lib/wire/gen/stage_pb.js';

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
