import type { StepInput } from '../../../services/lib/engine/types.js';
import { StageTimeSchema } from '../../../services/lib/wire/gen/stage_pb.js';
import { create } from '@bufbuild/protobuf';
import { ServingError } from '../../../services/lib/errors/serving-error.js';
import { message, type BodyOf } from '../../../services/lib/wire/codec.js';
import { prefixBlocks } from '../../../services/lib/model/prefix-blocks.js';
import { GroupedScheduler } from '../../../services/stage/scheduling/grouped-scheduler.js';
import type { Stage } from '../../../services/stage/stage.js';
import { dividePart } from '../../../services/stage/step/part.js';
import { eventually } from '../../support/eventually.js';
import { FakeEngine } from './fake-engine.js';
import {
  callerOf,
  closeOf,
  frameOf,
  nextStage,
  openOf,
  stageWith,
  tokensOf,
  type Caller,
  type NextStage,
} from './stage-bench.js';

const WIDTH = 2;

/** Activations of a token are itself and its negative, so that they can be told apart further on. */
const embed = ({ tokens }: StepInput) => ({
  hidden: Float32Array.from([...tokens!].flatMap((token) => [token, -token])),
});
const itemsOf = ({ items }: StepInput): string[] =>
  items.map(({ sequence, position, count }) => `${sequence}@${position}+${count}`);

describe('the first stage', () => {
  let engine: FakeEngine;
  let stage: Stage;
  let gateway: Caller;
  let next: NextStage;
  const start = async (creditBytes?: number): Promise<void> => {
    engine = new FakeEngine(embed);
    next = await nextStage(() => stage, creditBytes === undefined ? {} : { creditBytes });
    stage = stageWith({ engine, next: next.links });
    gateway = await callerOf(stage, 'gateway', 'g');
  };
  beforeEach(() => start());
  afterEach(() => {
    gateway.link.close();
    next.end();
  });

  const open = async (...sequences: string[]): Promise<void> => {
    for (const sequence of sequences) gateway.link.send(openOf(sequence));
    await eventually('the opens passed on', () => next.inbox.all('open').length >= sequences.length);
  };
  const failures = (): string[] =>
    gateway.inbox.all('failed').map(({ sequence, epoch, code }) => `${sequence}/${epoch} ${code}`);
  const nothingIsOpen = () =>
    eventually('nothing open', () => stage.sequences === 0 && engine.sequences.size === 0);

  it('tells what a hop to the next stage takes, and so much more where it is padded', () => {
    const [link] = next.links.links;
    link!.hopSeconds = 0.002;
    const told = (hopPadSeconds: number): number =>
      stageWith({ engine, next: next.links, hopPadSeconds }).status().engine!.hopSeconds;
    expect(told(0)).toBeCloseTo(0.002);
    expect(told(0.01)).toBeCloseTo(0.012);
    expect(stageWith({ engine, next: null }).status().engine!.hopSeconds).toBe(0);
  });

  it('reserves room, then asks the next stage', async () => {
    const release = engine.hold();
    gateway.link.send(openOf('s'));
    await eventually('the sequence', () => stage.sequences === 1);
    expect(next.inbox.cases).toEqual([]);
    release();
    await eventually('the open passed on', () => next.inbox.all('open')[0]);
    expect(next.inbox.all('open')[0]).toMatchObject({ sequence: 's', route: ['me', 'next'], maxLength: 20 });
    expect([...engine.sequences.keys()]).toEqual(['s/1']);
    expect(failures()).toEqual([]);
  });

  it('refuses what the engine has no room for, and passes nothing on', async () => {
    engine.refusal = new ServingError('kv_exhausted', 'full');
    gateway.link.send(openOf('s'));
    await eventually('the refusal', () => failures().length);
    expect(failures()).toEqual(['s/1 kv_exhausted']);
    expect(next.inbox.cases).toEqual([]);
    await nothingIsOpen();
  });

  it('refuses a route that goes on to a replica without a link', async () => {
    gateway.link.send(openOf('s', 1, ['me', 'stranger']));
    await eventually('the refusal', () => failures().length);
    expect(gateway.inbox.all('failed')[0]).toMatchObject({
      code: 'stage_unavailable',
      message: 'no link to stage-1/stranger',
    });
    await nothingIsOpen();
  });

  it('computes the rows of several sequences in one step, and passes them on in one frame', async () => {
    await open('a', 'b');
    gateway.link.sendFrame(frameOf(tokensOf('a', 0, [1, 2]), tokensOf('b', 0, [3], { logits: 1 })));
    await eventually('the frame', () => next.inbox.all('frame').length === 1);
    expect(engine.steps.map(itemsOf)).toEqual([['b/1@0+1', 'a/1@0+2']]);
    const [frame] = next.inbox.all('frame');
    expect(frame!.items).toMatchObject([
      { sequence: 'b', position: 0, count: 1, logits: 1 },
      { sequence: 'a', position: 0, count: 2, logits: 0 },
    ]);
    const { buffer, byteOffset } = new Uint8Array(frame!.activations);
    expect([...new Float32Array(buffer, byteOffset, 3 * WIDTH)]).toEqual([3, -3, 1, -1, 2, -2]);
  });

  it('has all processors for a step where no other rows of what is open can be computed meanwhile', async () => {
    await open('a', 'b');
    const alone = async (...rows: Parameters<typeof frameOf>): Promise<boolean | undefined> => {
      const before = engine.steps.length;
      gateway.link.sendFrame(frameOf(...rows));
      await eventually('the step', () => engine.steps.length > before);
      return engine.steps.at(-1)!.alone;
    };
    const wanted = { logits: 1 };
    expect(await alone(tokensOf('a', 0, [1, 2], wanted))).toBe(false);
    // Of a prompt what follows its first rows waits here, too; later ones may find those in the next stage.
    expect(await alone(tokensOf('a', 2, [3], wanted), tokensOf('b', 0, [1, 2]))).toBe(true);
    expect(await alone(tokensOf('a', 3, [4], wanted), tokensOf('b', 2, [3, 4], wanted))).toBe(false);
    expect(await alone(tokensOf('a', 4, [5], wanted), tokensOf('b', 4, [5], wanted))).toBe(true);
    gateway.link.send(closeOf('b'));
    await eventually('its end', () => stage.sequences === 1);
    expect(await alone(tokensOf('a', 5, [6], wanted))).toBe(true);
  });

  it('sends on what it took for rows that want a token, behind what the stages before took', async () => {
    await open('a', 'b');
    const before = { queue: 7, compute: 9 };
    const rows = tokensOf('a', 0, [1], { logits: 1 });
    const path = [create(StageTimeSchema, before)];
    gateway.link.sendFrame(frameOf({ ...rows, item: { ...rows.item, path } }, tokensOf('b', 0, [3])));
    await eventually('the frame', () => next.inbox.all('frame').length === 1);
    const [a, b] = next.inbox.all('frame')[0]!.items;
    expect(a!.path).toHaveLength(2);
    expect(a!.path[0]).toMatchObject(before);
    expect(a!.path[1]!.compute).toBeGreaterThan(0);
    expect(b!.path).toEqual([]);
  });

  it("tells with a prompt's end how long each chunk before it took, once", async () => {
    await open('a');
    const last = { logits: 1 };
    for (const rows of [tokensOf('a', 0, [1, 2, 3]), tokensOf('a', 3, [4, 5]), tokensOf('a', 5, [6], last)]) {
      gateway.link.sendFrame(frameOf(rows));
    }
    gateway.link.sendFrame(frameOf(tokensOf('a', 6, [7], last)));
    await eventually('the frames', () => next.inbox.all('frame').length === 4);
    const [first, second, end, token] = next.inbox.all('frame').map(({ items }) => items[0]!.path);
    expect([first, second]).toEqual([[], []]);
    const { chunks } = end![0]!;
    expect(chunks.map(({ rows }) => rows)).toEqual([3, 2]);
    expect(chunks[0]!.ago).toBeGreaterThan(chunks[1]!.ago);
    expect(chunks.every(({ compute, ago }) => compute > 0 && ago > 0)).toBe(true);
    expect(token![0]!.chunks).toEqual([]);
  });

  it('computes the chunks of a prompt one after the other', async () => {
    await open('a');
    const chunks = [tokensOf('a', 0, [1, 2, 3]), tokensOf('a', 3, [4, 5]), tokensOf('a', 5, [6])];
    for (const frame of chunks) gateway.link.sendFrame(frameOf(frame));
    await eventually('the frames', () => next.inbox.all('frame').length === 3);
    expect(engine.steps.flatMap(itemsOf)).toEqual(['a/1@0+3', 'a/1@3+2', 'a/1@5+1']);
  });

  it('takes rows again from a token that was drafted wrong', async () => {
    await open('a');
    const drafted = tokensOf('a', 2, [3, 8, 9], { logits: 3, draft: [8, 9] });
    for (const rows of [tokensOf('a', 0, [1, 2]), drafted, tokensOf('a', 3, [4], { logits: 1 })]) {
      gateway.link.sendFrame(frameOf(rows));
    }
    await eventually('the frames', () => next.inbox.all('frame').length === 3);
    expect(engine.steps.flatMap(itemsOf)).toEqual(['a/1@0+2', 'a/1@2+3', 'a/1@3+1']);
    expect(engine.steps[1]!.items[0]).toMatchObject({ logits: 3, draft: [8, 9] });
    expect(next.inbox.all('frame')[1]!.items[0]).toMatchObject({ logits: 3, draft: [8, 9] });
    expect(failures()).toEqual([]);
  });

  it.each([
    ['leave a gap', 3],
    ['pass its length', 19],
  ])('fails a sequence whose rows %s, and no other', async (_, position) => {
    await open('a', 'b');
    gateway.link.sendFrame(frameOf(tokensOf('a', 0, [1, 2]), tokensOf('b', 0, [3])));
    gateway.link.sendFrame(frameOf(tokensOf('a', position, [1, 2])));
    await eventually('the failure', () => failures().length);
    expect(failures()).toEqual(['a/1 invalid_frame']);
    await eventually('the end passed on', () => next.inbox.all('close').length === 1);
    await eventually('its room free', () => String([...engine.sequences.keys()]) === 'b/1');
  });

  describe('without room for all', () => {
    /** Room for so many rows in all. */
    const startWith = (rows: number): void => {
      const held = new Map<string, number>();
      engine.result = (input) => {
        for (const id of held.keys()) if (!engine.sequences.has(id)) held.delete(id);
        const after = new Map(held);
        for (const { sequence, position, count } of input.items) after.set(sequence, position + count);
        if ([...after.values()].reduce((sum, length) => sum + length, 0) > rows)
          throw new ServingError('kv_exhausted', 'full');
        for (const [sequence, length] of after) held.set(sequence, length);
        return embed(input);
      };
    };
    const lastRows = (): string[] => itemsOf(engine.steps.at(-1)!);

    it('the one that came last gives way, and what it has is kept', async () => {
      startWith(6);
      await open('a', 'b', 'c');
      const feed = (position: number, ...tokens: number[]) =>
        gateway.link.sendFrame(
          frameOf(...['a', 'b', 'c'].map((sequence) => tokensOf(sequence, position, tokens))),
        );
      feed(0, 1);
      await eventually('the first rows', () => next.inbox.all('frame').length === 1);
      feed(1, 2, 3);
      await eventually('the second rows', () => next.inbox.all('frame').length === 2);
      expect(failures()).toEqual(['c/1 kv_exhausted']);
      expect(lastRows()).toEqual(['a/1@1+2', 'b/1@1+2']);
      await eventually('its close', () => !engine.sequences.has('c/1'));
    });

    it('one that finds none alone is tried again when another has given way', async () => {
      await open('a', 'b', 'c');
      const problems = [null, 'internal', null, 'kv_exhausted'] as const;
      engine.result = (input) => {
        const code = problems[engine.steps.length - 1] ?? null;
        if (code !== null) throw new ServingError(code, 'as told');
        return embed(input);
      };
      const feed = (position: number) =>
        gateway.link.sendFrame(
          frameOf(...['a', 'b', 'c'].map((sequence) => tokensOf(sequence, position, [1]))),
        );
      feed(0);
      await eventually('the first rows', () => next.inbox.all('frame').length === 1);
      feed(1);
      await eventually('two of the second', () => next.inbox.all('frame').length === 3);
      expect(engine.steps.slice(1).map((step) => itemsOf(step).join())).toEqual([
        'a/1@1+1,b/1@1+1,c/1@1+1',
        'a/1@1+1',
        'b/1@1+1',
        'b/1@1+1',
      ]);
      expect(failures()).toEqual(['c/1 kv_exhausted']);
    });

    it('fails one that does not fit even alone', async () => {
      startWith(6);
      await open('a');
      gateway.link.sendFrame(frameOf(tokensOf('a', 0, [1, 2, 3, 4, 5, 6, 7])));
      await eventually('the failure', () => failures().length);
      expect(failures()).toEqual(['a/1 kv_exhausted']);
      await nothingIsOpen();
    });
  });

  it('frees and passes on what is closed', async () => {
    await open('a');
    gateway.link.send(closeOf('a'));
    await nothingIsOpen();
    await eventually('the end passed on', () => next.inbox.all('close').length === 1);
    expect(failures()).toEqual([]);
  });

  it('does not ask the next stage for what is closed while the engine answers', async () => {
    const release = engine.hold();
    gateway.link.send(openOf('a'));
    gateway.link.send(closeOf('a'));
    await eventually('the close', () => next.inbox.all('close').length === 1);
    release();
    await nothingIsOpen();
    expect(next.inbox.cases).toEqual(['close']);
    expect(failures()).toEqual([]);
  });

  it('delivers nothing of a sequence that is closed during its step', async () => {
    await open('a', 'b');
    const release = engine.hold();
    gateway.link.sendFrame(frameOf(tokensOf('a', 0, [1]), tokensOf('b', 0, [2])));
    await eventually('the step', () => engine.steps.length === 1);
    gateway.link.send(closeOf('a'));
    await eventually('the close', () => stage.sequences === 1);
    release();
    await eventually('the frame', () => next.inbox.all('frame').length === 1);
    const [frame] = next.inbox.all('frame');
    expect(frame!.items.map(({ sequence }) => sequence)).toEqual(['b']);
  });

  it('frees, and closes further on, what a lost caller had opened', async () => {
    const other = await callerOf(stage, 'gateway', 'other');
    await open('a', 'b');
    other.link.send(openOf('c'));
    await eventually('the third', () => stage.sequences === 3);
    gateway.link.close();
    await eventually('the third alone', () => String([...engine.sequences.keys()]) === 'c/1');
    expect(next.inbox.all('close').map(({ sequence }) => sequence)).toEqual(['a', 'b']);
    other.link.close();
  });

  it('fails what ran over a lost link to the next stage', async () => {
    await open('a');
    next.end();
    await eventually('the failure', () => failures().length);
    expect(failures()).toEqual(['a/1 stream_broken']);
    await nothingIsOpen();
  });

  it('tells its callers unasked when its ways on have changed', async () => {
    const news = (): string[] => gateway.news.map(({ nextReplicas }) => nextReplicas.join());
    stage.onNextUp();
    await eventually('the first news', () => news().length === 1);
    next.end();
    await eventually('the second', () => news().length === 2);
    expect(news()).toEqual(['next', '']);
  });

  it.each([
    ['kv_exhausted', 'kv_exhausted'],
    ['code_of_the_future', 'internal'],
    ['constructor', 'internal'],
  ])('passes the failure %s of the next stage back, as %s', async (sent, code) => {
    await open('a');
    next.send({ case: 'failed', value: { sequence: 'a', epoch: 1, code: sent, message: 'm' } });
    await eventually('the failure', () => failures().length);
    expect(failures()).toEqual([`a/1 ${code}`]);
    await nothingIsOpen();
  });

  it('computes a prompt that does not fit a step in pieces, the last of which wants the token', async () => {
    await open('a');
    gateway.link.sendFrame(frameOf(tokensOf('a', 0, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10], { logits: 1 })));
    await eventually('the frames', () => next.inbox.all('frame').length === 2);
    expect(next.inbox.all('frame').flatMap(({ items }) => items)).toMatchObject([
      { sequence: 'a', position: 0, count: 8, logits: 0 },
      { sequence: 'a', position: 8, count: 2, logits: 1 },
    ]);
    expect(engine.steps.map(({ tokens }) => [...tokens!])).toEqual([
      [1, 2, 3, 4, 5, 6, 7, 8],
      [9, 10],
    ]);
  });

  describe('that lets one group out', () => {
    const want = { logits: 1 };
    beforeEach(() => {
      stage = stageWith({
        engine,
        next: next.links,
        scheduler: new GroupedScheduler({
          limits: { maxRows: 8, maxSequences: 4 },
          groupsAtOnce: () => stage.groupsAtOnce,
          gainsAlone: () => stage.gainsAlone,
          promptShare: 1,
          laneOf: ({ sequence }) => sequence.lane,
          divide: dividePart,
        }),
      });
    });
    /** A group is waited for in proportion to its step. */
    const begin = async (stepSeconds: number): Promise<void> => {
      engine.stepSeconds = stepSeconds;
      gateway = await callerOf(stage, 'gateway', 'g');
      await open('a', 'b');
      gateway.link.sendFrame(frameOf(tokensOf('a', 0, [1], want), tokensOf('b', 0, [2], want)));
      await eventually('the group', () => next.inbox.all('frame').length === 1);
    };

    it('waits for all of it', async () => {
      await begin(1);
      gateway.link.sendFrame(frameOf(tokensOf('a', 1, [3], want)));
      await eventually('the first one back', () => stage.queueDepth === 1);
      await new Promise(setImmediate);
      expect([engine.steps.length, stage.queueDepth]).toEqual([1, 1]);
      gateway.link.sendFrame(frameOf(tokensOf('b', 1, [4], want)));
      await eventually('both', () => next.inbox.all('frame').length === 2);
      expect(engine.steps.map(itemsOf)[1]).toEqual(['a/1@1+1', 'b/1@1+1']);
    });

    it('goes on when the rest has ended', async () => {
      await begin(1);
      gateway.link.sendFrame(frameOf(tokensOf('a', 1, [3], want)));
      await eventually('the first one back', () => stage.queueDepth === 1);
      gateway.link.send(closeOf('b'));
      await eventually('it alone', () => next.inbox.all('frame').length === 2);
      expect(engine.steps.map(itemsOf)[1]).toEqual(['a/1@1+1']);
    });

    it('goes on without those that are late', async () => {
      await begin(0.001);
      gateway.link.sendFrame(frameOf(tokensOf('a', 1, [3], want)));
      await eventually('the one', () => next.inbox.all('frame').length === 2);
      gateway.link.sendFrame(frameOf(tokensOf('b', 1, [4], want)));
      await eventually('the late one', () => next.inbox.all('frame').length === 3);
      expect(engine.steps.map(itemsOf).slice(1)).toEqual([['a/1@1+1'], ['b/1@1+1']]);
    });
  });

  it('computes no more than it can pass on', async () => {
    await start(1);
    await open('a');
    for (const position of [0, 1, 2, 3]) gateway.link.sendFrame(frameOf(tokensOf('a', position, [7])));
    // The first frame uses the credit up, the second waits for more.
    await eventually('congestion', () => engine.steps.length === 2 && stage.queueDepth === 2);
    expect(next.inbox.all('frame')).toHaveLength(1);
    next.send({ case: 'credit', value: { bytes: 1 << 20 } });
    await eventually('all frames', () => next.inbox.all('frame').length === 4);
    expect(next.inbox.all('frame').map(({ items }) => items[0]!.position)).toEqual([0, 1, 2, 3]);
  });

  it('gives credit back for the rows of sequences that are gone, waiting or late', async () => {
    const hiddenIn = 1 << 18; // one row in a frame of 1 MiB
    const release = engine.hold();
    const rowsIn = { hidden: hiddenIn, activations: 'f32', vocabulary: 1_000 } as const;
    const middle = stageWith({ engine, next: next.links, rowsIn });
    const before = await callerOf(middle, 'stage-0', 'before');
    const rows = (sequence: string, position: number) => ({
      item: { sequence, epoch: 1, position, count: 1, logits: 0, draft: [] },
      activations: new Float32Array(hiddenIn),
    });
    before.link.send(openOf('a'));
    // One of them becomes a step, the others wait.
    for (let position = 0; position < 7; position++) before.link.sendFrame(frameOf(rows('a', position)));
    await eventually('the queue', () => middle.queueDepth === 6);
    before.link.send(closeOf('a'));
    for (let count = 0; count < 12; count++) before.link.sendFrame(frameOf(rows('a', count)));
    await eventually('room', () => !before.link.congested);
    expect([middle.queueDepth, middle.sequences]).toEqual([0, 0]);
    release();
    before.link.close();
  });

  it('fails the sequences of a step that throws, and goes on with the others', async () => {
    let broken = true;
    engine = new FakeEngine((input) => {
      if (broken) throw new ServingError('internal', 'no numbers');
      return embed(input);
    });
    stage = stageWith({ engine, next: next.links });
    gateway = await callerOf(stage, 'gateway', 'g');
    await open('a', 'b', 'c');
    gateway.link.sendFrame(frameOf(tokensOf('a', 0, [1]), tokensOf('b', 0, [2])));
    await eventually('the failures', () => failures().length === 2);
    expect(failures()).toEqual(['a/1 internal', 'b/1 internal']);
    broken = false;
    gateway.link.sendFrame(frameOf(tokensOf('c', 0, [3])));
    await eventually('the frame', () => next.inbox.all('frame').length === 1);
    expect([...engine.sequences.keys()]).toEqual(['c/1']);
  });

  it('refuses what comes while it drains, and has drained when the last sequence ends', async () => {
    await open('a');
    let drained = false;
    void stage.drain().then(() => (drained = true));
    gateway.link.send(openOf('b'));
    await eventually('the refusal', () => failures().length);
    expect(failures()).toEqual(['b/1 stage_unavailable']);
    expect([stage.status().draining, drained]).toEqual([true, false]);
    gateway.link.send(closeOf('a'));
    await eventually('the end', () => drained);
  });

  it('goes on after what it has cached, of which it asks the next stage', async () => {
    engine.cached = 64;
    const prefix = ['one', 'two', 'three'];
    gateway.link.send(openOf('a', 1, ['me', 'next'], prefix, 100));
    await eventually('the open passed on', () => next.inbox.all('open').length === 1);
    expect(next.inbox.all('open')[0]).toMatchObject({ prefix, cachedBlocks: 2 });
    // The next stage had but one of the blocks.
    gateway.link.sendFrame(frameOf(tokensOf('a', 32, [1, 2])));
    await eventually('the frame', () => next.inbox.all('frame').length === 1);
    expect(engine.steps.map(itemsOf)).toEqual([['a/1@32+2']]);
    expect(failures()).toEqual([]);
  });

  describe('asked to keep blocks', () => {
    const tokens = Array.from({ length: 70 }, (_, index) => index);
    const names = prefixBlocks(tokens);
    const kept = () => next.inbox.all('close').map(({ prefix }) => prefix);
    const feed = async (sequence: string, cached = 0, salt = ''): Promise<void> => {
      const { body } = openOf(sequence, 1, ['me', 'next'], names, 100);
      const value = { ...(body.value as BodyOf<'open'>), cacheSalt: salt };
      gateway.link.send(message({ case: 'open', value }));
      await eventually('the open', () => next.inbox.all('open').some((open) => open.sequence === sequence));
      for (let start = cached; start < tokens.length; start += 8)
        gateway.link.sendFrame(frameOf(tokensOf(sequence, start, tokens.slice(start, start + 8))));
      await eventually('all computed', () =>
        next.inbox
          .all('frame')
          .some(({ items }) =>
            items.some((item) => item.sequence === sequence && item.position + item.count === tokens.length),
          ),
      );
    };

    it('keeps those whose tokens it has seen, passes them on, and no others', async () => {
      await feed('a');
      gateway.link.send(closeOf('a', 1, names));
      await feed('b');
      gateway.link.send(closeOf('b', 1, [names[0]!, 'of my choice']));
      await feed('c');
      gateway.link.send(closeOf('c', 1, ['of my choice', names[1]!]));
      await feed('d', 0, 'mine');
      gateway.link.send(closeOf('d', 1, names));
      await nothingIsOpen();
      expect(kept()).toEqual([names, names.slice(0, 1), [], []]);
      expect([...engine.kept.values()]).toEqual(kept());
    });

    it('knows the blocks that a sequence began with by their names', async () => {
      engine.cached = 32;
      await feed('a', 32);
      gateway.link.send(closeOf('a', 1, names));
      await nothingIsOpen();
      expect(kept()).toEqual([names]);
    });

    it('keeps what was computed when a link of the route is lost', async () => {
      await feed('a');
      next.end();
      await nothingIsOpen();
      expect([...engine.kept.values()]).toEqual([names]);
    });

    it('keeps what was computed when it comes back before anything is known of a loss', async () => {
      await feed('a');
      gateway.link.send(openOf('a', 2));
      await eventually('the second open', () => next.inbox.all('open').length === 2);
      expect([...engine.kept.values()]).toEqual([names]);
      expect(kept()).toEqual([names]);
    });

    it('keeps nothing of what failed by its own fault, nor while it drains', async () => {
      await feed('a');
      await feed('b');
      gateway.link.sendFrame(frameOf(tokensOf('a', 90, [1])));
      await eventually('the failure', () => failures().length);
      gateway.link.send(closeOf('a', 1, names));
      const drained = stage.drain();
      gateway.link.send(closeOf('b', 1, names));
      await drained;
      await nothingIsOpen();
      expect([...engine.kept.values()]).toEqual([[], []]);
      expect(kept()).toEqual([[], names]);
    });
  });

  describe('when a sequence comes back on another route', () => {
    it('leaves the older one here and further on, whose own close comes too late', async () => {
      await open('a');
      gateway.link.send(openOf('a', 2));
      await eventually('the second open', () => next.inbox.all('open').length === 2);
      expect(
        next.inbox.messages.map(({ body }) => `${body.case} ${(body.value as { epoch: number }).epoch}`),
      ).toEqual(['open 1', 'close 1', 'open 2']);
      gateway.link.send(closeOf('a', 1));
      gateway.link.sendFrame(frameOf(tokensOf('a', 0, [1], { epoch: 1 })));
      gateway.link.sendFrame(frameOf(tokensOf('a', 0, [1, 2], { epoch: 2 })));
      await eventually('its frame', () => next.inbox.all('frame').length === 1);
      expect(engine.steps.map(itemsOf)).toEqual([['a/2@0+2']]);
      expect([...engine.sequences.keys()]).toEqual(['a/2']);
      expect(failures()).toEqual([]);
    });

    it.each([1, 2])('keeps it when an open of epoch %i comes after it', async (late) => {
      gateway.link.send(openOf('a', 2));
      await eventually('the open', () => next.inbox.all('open').length === 1);
      gateway.link.send(openOf('a', late));
      await eventually('the refusal', () => failures().length);
      expect(failures()).toEqual([`a/${late} stage_unavailable`]);
      expect([...engine.sequences.keys()]).toEqual(['a/2']);
    });
  });
});
