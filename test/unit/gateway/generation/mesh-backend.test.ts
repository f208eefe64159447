import { create } from '@bufbuild/protobuf';
import { setTimeout as delay } from 'node:timers/promises';
import { Counter, Registry } from 'prom-client';
import type {
  MeshBackend,
  MeshBackendOptions,
} from '../../../../services/gateway/generation/mesh-backend.js';
import { announcedPlan, introduce } from '../../../../services/lib/mesh/identity.js';
import type { StepTokens } from '../../../../services/lib/sampling/step-tokens.js';
import type { BodyOf } from '../../../../services/lib/wire/codec.js';
import { PREFIX_BLOCK, prefixBlocks } from '../../../../services/lib/model/prefix-blocks.js';
import { HelloSchema, StatusSchema } from '../../../../services/lib/wire/gen/stage_pb.js';
import { eventually } from '../../../support/eventually.js';
import { greedy } from '../../../support/sampling.js';
import { streamPair } from '../../../support/stream-pair.js';
import { thrownBy } from '../../../support/thrown-by.js';
import { backendOver, MemoryMesh, MemoryReplica, plan } from './memory-mesh.js';

const request = { prompt: [10, 20, 30, 40, 50], sampling: greedy, maxTokens: 3 };

describe('the mesh backend', () => {
  let first: MemoryReplica;
  let heads: [MemoryReplica, MemoryReplica];
  let backend: MeshBackend;
  let leave: AbortController;

  const start = async (options: Partial<MeshBackendOptions> = {}): Promise<void> => {
    const mesh = new MemoryMesh();
    first = mesh.start('stage-0', 'a', ['x', 'y']);
    heads = [mesh.start('stage-1', 'x'), mesh.start('stage-1', 'y')];
    backend = backendOver(mesh, { prefillChunk: 2, patienceMs: 300, ...options });
    await eventually('all links', () =>
      backend.topology().stages.every(({ replicas }, index) => replicas.length === index + 1),
    );
    leave = new AbortController();
  };
  afterEach(() => backend.close());

  const headOf = ({ route }: Pick<BodyOf<'open'>, 'route'>): MemoryReplica =>
    heads.find(({ replica }) => replica === route[1])!;
  const agree = (open: BodyOf<'open'>): void =>
    headOf(open).send({ case: 'opened', value: identified(open) });
  const refuse = (code: string) => (open: BodyOf<'open'>) =>
    first.send({ case: 'failed', value: { ...identified(open), code, message: 'no' } });
  const identified = ({ sequence, epoch }: BodyOf<'open'>) => ({ sequence, epoch });

  /** The mesh samples 100, 101, … for the open sequence, of which it may have more to tell. */
  const answer = (frame: BodyOf<'frame'>, more: object = {}): void => {
    const item = frame.items.at(-1)!;
    if (item.logits === 0) return;
    const open = first.opens.at(-1)!;
    const position = item.position + item.count;
    const tokens = [100 + position - request.prompt.length];
    headOf(open).send({
      case: 'tokens',
      value: { sampled: [{ ...identified(open), position, tokens, ...more }] },
    });
  };
  const generate = () => backend.generate(request, leave.signal);
  const collect = async (steps: AsyncIterable<StepTokens>): Promise<number[]> => {
    const collected: number[] = [];
    for await (const { tokens } of steps) collected.push(...tokens);
    return collected;
  };
  const openings = (): string[] =>
    first.opens.map(({ sequence, epoch, route }) => `${sequence}/${epoch} ${route.join('>')}`);

  it('is ready once a whole route exists, and names what is missing', async () => {
    await start({ patienceMs: 0 });
    expect(backend.notReadyReason()).toBeNull();
    expect(backend.topology().stages[1]).toMatchObject({ app_id: 'stage-1', start: 1, end: 2, head: true });
    for (const head of heads) head.endLinks();
    await eventually('the loss', () => backend.notReadyReason() !== null);
    expect(backend.notReadyReason()).toBe('no replica of stage-1 can be reached');
    expect(await thrownBy(generate)).toMatchObject({ code: 'stage_unavailable' });
  });

  it('says which plan the replicas have that it cannot talk to', async () => {
    await start();
    for (const head of heads) {
      head.announced = announcedPlan({ ...plan, split: [2] });
      head.endLinks();
    }
    await eventually('the other plan', () => backend.notReadyReason()?.includes('split'));
    expect(backend.notReadyReason()).toBe(
      'no replica of stage-1 can be reached; stage-1 has split 2 instead of 1',
    );
  });

  it('opens a route, sends the prompt in chunks and each token back, and closes', async () => {
    await start();
    first.onOpen = agree;
    first.onFrame = answer;
    const { route, tokens } = await generate();
    expect(route).toBe('stage-0/a>stage-1/x');
    expect(first.opens[0]).toMatchObject({
      sequence: 'g-1',
      epoch: 1,
      gateway: 'g',
      maxLength: 8,
      prompt: [],
    });
    expect(first.frames).toEqual([]);
    expect(await collect(tokens)).toEqual([100, 101, 102]);
    const items = first.frames.flatMap((frame) => frame.items);
    expect(items.map(({ position, count, logits }) => [position, count, logits])).toEqual([
      [0, 2, 0],
      [2, 2, 0],
      [4, 1, 1],
      [5, 1, 1],
      [6, 1, 1],
    ]);
    expect(first.frames.flatMap((frame) => frame.tokens)).toEqual([...request.prompt, 100, 101]);
    expect(first.closes).toEqual(['g-1/1']);
  });

  describe('when requests begin alike', () => {
    const words = (count: number, from = 0): number[] =>
      Array.from({ length: count }, (_, index) => from + index);
    const run = async (prompt: number[]): Promise<{ route: string; cachedTokens: number }> => {
      const { route, cachedTokens, tokens } = await backend.generate({ ...request, prompt }, leave.signal);
      expect(await collect(tokens)).toHaveLength(3);
      return { route, cachedTokens };
    };
    /** The mesh has so many blocks of what is asked for, and answers whatever is fed. */
    const startWith = async (blocks: number, prefixCache = true): Promise<void> => {
      await start({ prefixCache });
      first.onOpen = (open) => {
        const cachedTokens = Math.min(blocks, open.prefix.length) * PREFIX_BLOCK;
        headOf(open).send({ case: 'opened', value: { ...identified(open), cachedTokens } });
      };
      first.onFrame = (frame) => {
        const { position, count, logits } = frame.items.at(-1)!;
        const open = first.opens.at(-1)!;
        const sampled = [{ ...identified(open), position: position + count, tokens: [7] }];
        if (logits > 0) headOf(open).send({ case: 'tokens', value: { sampled } });
      };
    };
    const fedSince = (frames: number): [number, number][] =>
      first.frames
        .slice(frames)
        .flatMap(({ items }) => items.map(({ position, count }): [number, number] => [position, count]));

    it('asks for the blocks before the last token, and computes what the route has not', async () => {
      await startWith(1);
      const prompt = words(2 * PREFIX_BLOCK);
      expect(await run(prompt)).toEqual({ route: 'stage-0/a>stage-1/x', cachedTokens: PREFIX_BLOCK });
      expect(first.opens[0]!.prefix).toEqual(prefixBlocks(prompt).slice(0, 1));
      const fed = fedSince(0);
      expect(fed[0]).toEqual([PREFIX_BLOCK, 2]);
      expect(fed.reduce((sum, [, count]) => sum + count, 0)).toBe(PREFIX_BLOCK + 2);
    });

    it('has kept what was computed: the prompt, and the answer but for its last token', async () => {
      await startWith(0);
      const prompt = words(2 * PREFIX_BLOCK - 2);
      await run(prompt);
      await run(words(2 * PREFIX_BLOCK - 3));
      expect(first.kept).toEqual([prefixBlocks([...prompt, 7, 7]), prefixBlocks(prompt)]);
      expect(first.kept.map(({ length }) => length)).toEqual([2, 1]);
    });

    it('goes where the beginning was kept, until that turns out to be gone', async () => {
      await startWith(0);
      const [one, other] = [words(64), words(64, 1_000)];
      await run(one);
      // It would spread them otherwise: a sequence that waits for its first pull runs on x.
      const waiting = await backend.generate({ ...request, prompt: words(10, 500) }, leave.signal);
      expect(waiting.route).toBe('stage-0/a>stage-1/x');
      expect((await run(other)).route).toBe('stage-0/a>stage-1/y');
      expect((await run([...other, 1])).route).toBe('stage-0/a>stage-1/y');
    });

    it('keeps what was computed for a client that left, and asks for nothing where it is off', async () => {
      await startWith(0);
      const prompt = words(2 * PREFIX_BLOCK);
      const { tokens } = await backend.generate({ ...request, prompt }, leave.signal);
      await tokens[Symbol.asyncIterator]().next();
      leave.abort();
      await eventually('the close', () => first.kept.length === 1);
      expect(first.kept).toEqual([prefixBlocks(prompt)]);
      await backend.close();
      await startWith(2, false);
      await run(prompt);
      expect(first.opens[0]!.prefix).toEqual([]);
      expect(first.kept).toEqual([[]]);
    });
  });

  it('sends drafts with the token, and goes on after those that were accepted', async () => {
    const registers = [new Registry()];
    const counter = (name: string) => new Counter({ name, help: name, registers });
    const speculation = { draftTokens: counter('drafted'), acceptedTokens: counter('accepted') };
    await start({ speculation });
    first.onOpen = agree;
    // What the model says to a prompt that repeats itself: it goes on so, but for one token.
    const answers = new Map([
      [5, [30]],
      [6, [10, 77]],
      [8, [30]],
      [9, [40]],
    ]);
    first.onFrame = ({ items }) => {
      for (const { position, count, logits, draft } of items) {
        if (logits === 0) continue;
        const next = position + count - draft.length;
        const sampled = [{ ...identified(first.opens[0]!), position: next, tokens: answers.get(next)! }];
        headOf(first.opens[0]!).send({ case: 'tokens', value: { sampled } });
      }
    };
    const repeating = { ...request, prompt: [10, 20, 30, 10, 20], maxTokens: 5 };
    const { tokens } = await backend.generate(repeating, leave.signal);
    const pulling = tokens[Symbol.asyncIterator]();
    const pulled: unknown[] = [];
    const framesSeen: number[] = [];
    for (let next = await pulling.next(); !next.done; next = await pulling.next()) {
      pulled.push(next.value.tokens);
      await delay(5);
      framesSeen.push(first.frames.length);
    }
    expect(pulled).toEqual([[30], [10, 77], [30], [40]]);
    // Nothing more is asked for before it is pulled.
    expect(framesSeen.map((frames) => frames - framesSeen[0]!)).toEqual([0, 1, 2, 3]);
    const items = first.frames.flatMap((frame) => frame.items).slice(3);
    expect(items.map(({ position, count, logits, draft }) => [position, count, logits, draft])).toEqual([
      // Never beyond the last token that may come.
      [5, 4, 4, [10, 20, 30]],
      [7, 1, 1, []],
      [8, 1, 1, []],
    ]);
    expect(first.frames.flatMap((frame) => frame.tokens).slice(5)).toEqual([30, 10, 20, 30, 77, 30]);
    const counts = [speculation.draftTokens, speculation.acceptedTokens].map((metric) => metric.get());
    expect((await Promise.all(counts)).map(({ values }) => values[0]!.value)).toEqual([3, 1]);
  });

  it('shows the head the prompt where a repetition penalty looks at it', async () => {
    await start();
    first.onOpen = agree;
    await backend.generate({ ...request, sampling: { ...greedy, repetitionPenalty: 1.1 } }, leave.signal);
    expect(first.opens[0]!.prompt).toEqual(request.prompt);
  });

  it('spreads sequences over the replicas', async () => {
    await start();
    first.onOpen = agree;
    const routes = [(await generate()).route, (await generate()).route];
    expect(routes.toSorted()).toEqual(['stage-0/a>stage-1/x', 'stage-0/a>stage-1/y']);
  });

  it('drops tokens that are not the next of a sequence', async () => {
    await start();
    first.onOpen = agree;
    const { tokens } = await generate();
    const pulled = tokens[Symbol.asyncIterator]().next();
    const token = { sequence: 'g-1', epoch: 1, position: 5, tokens: [7] };
    const wrong = [
      { ...token, sequence: 'g-9' },
      { ...token, epoch: 0 },
      { ...token, position: 6 },
    ];
    heads[0].send({ case: 'tokens', value: { sampled: [...wrong, { ...token, tokens: [8] }, token] } });
    expect(await pulled).toEqual({ done: false, value: { tokens: [8] } });
  });

  it.each(['stage_unavailable', 'stream_broken'])(
    'takes the next epoch and another replica after %s',
    async (code) => {
      await start();
      first.onOpen = (open) => (open.epoch === 1 ? refuse(code) : agree)(open);
      first.onFrame = answer;
      const { route, tokens } = await generate();
      expect(route).toBe('stage-0/a>stage-1/y');
      expect(openings()).toEqual(['g-1/1 a>x', 'g-1/2 a>y']);
      // What the older epoch still has to say is not heard.
      first.send({ case: 'failed', value: { sequence: 'g-1', epoch: 1, code: 'internal', message: 'late' } });
      expect(await collect(tokens)).toEqual([100, 101, 102]);
      expect(first.closes).toEqual(['g-1/1', 'g-1/2']);
    },
  );

  it('gives up when its patience is over', async () => {
    await start();
    first.onOpen = refuse('stage_unavailable');
    expect(await thrownBy(generate)).toMatchObject({ code: 'stage_unavailable', message: 'no' });
    // At once, after 100 ms, and when the 300 ms are over; a slow machine may miss the one in the middle.
    const epochs = first.opens.map(({ epoch }) => epoch);
    expect(epochs.length).toBeGreaterThan(1);
    expect(epochs.length).toBeLessThan(6);
    expect(first.closes).toEqual(epochs.map((epoch) => `g-1/${epoch}`));
  });

  it.each([
    ['code_of_the_future', 'internal'],
    ['invalid_frame', 'invalid_frame'],
  ])('does not try again after %s', async (sent, code) => {
    await start();
    first.onOpen = refuse(sent);
    expect((await thrownBy(generate)).code).toBe(code);
    expect(openings()).toEqual(['g-1/1 a>x']);
    await eventually('the close', () => String(first.closes) === 'g-1/1');
  });

  it('takes another replica when one is lost before it agreed', async () => {
    await start();
    first.onOpen = (open) => (open.epoch === 1 ? heads[0].endLinks() : agree(open));
    expect((await generate()).route).toBe('stage-0/a>stage-1/y');
  });

  it('moves a running sequence when a replica of its route is lost, and no other', async () => {
    await start();
    first.onOpen = agree;
    const [lost, other] = [await generate(), await generate()];
    const pulled = [lost, other].map(({ tokens }) => tokens[Symbol.asyncIterator]().next());
    heads[0].endLinks();
    await eventually('the new route', () => openings().includes('g-1/2 a>y'));
    const tokens = [
      { sequence: 'g-1', epoch: 2, position: 5, tokens: [8] },
      { sequence: 'g-2', epoch: 1, position: 5, tokens: [9] },
    ];
    heads[1].send({ case: 'tokens', value: { sampled: tokens } });
    expect((await Promise.all(pulled)).map(({ value }) => (value as StepTokens).tokens)).toEqual([[8], [9]]);
    expect(first.closes).toEqual(['g-1/1']);
    expect(openings()).toHaveLength(3);
  });

  it('has who waits for room go over a replica that invites it, as soon as there is a way to it', async () => {
    await start();
    const full = { kvUsed: 100, kvCapacity: 100 };
    const tell = (replica: MemoryReplica, status: object) =>
      replica.send({ case: 'pong', value: { nonce: 0, status: create(StatusSchema, status) } });
    for (const head of heads) tell(head, full);
    await eventually('no room', () => backend.topology().stages[1]!.replicas[1]!.kv_used === 100);
    first.onOpen = (open) => third.send({ case: 'opened', value: identified(open) });
    const generated = generate();
    await eventually('one that waits', () => backend.waiting === 1);

    const third = new MemoryReplica('stage-1', 'z', []);
    const [near, far] = streamPair();
    third.take(far);
    const identity = { appId: 'stage-1', replica: 'z', host: 'here', pid: 1, plan };
    backend.invited(near, create(HelloSchema, introduce(identity, '')));
    await eventually('the link', () => backend.topology().stages[1]!.replicas.length === 3);
    expect(backend.waiting).toBe(1);
    const before = performance.now();
    tell(first, { kvCapacity: 100, nextReplicas: ['x', 'y', 'z'] });
    expect((await generated).route).toBe('stage-0/a>stage-1/z');
    expect(performance.now() - before).toBeLessThan(200);
  });

  it('calls nobody who is none of its stages', async () => {
    await start();
    const [near, far] = streamPair();
    const ended = new Promise((resolve) =>
      far.listen({ onMessage: () => undefined, onEnd: ({ message }) => resolve(message) }),
    );
    const stranger = { appId: 'stage-2', replica: 'z', host: 'here', pid: 1, plan };
    backend.invited(near, create(HelloSchema, introduce(stranger, '')));
    expect(await ended).toBe('nobody calls stage-2 here');
  });

  it('is done with a request that is aborted before the mesh agrees', async () => {
    await start();
    const opening = generate();
    await eventually('the open', () => first.opens.length === 1);
    leave.abort();
    await expect(opening).rejects.toThrow('abort');
    await eventually('the close', () => first.closes.length === 1);
    expect(openings()).toEqual(['g-1/1 a>x']);
  });

  it('frees what is aborted while it waits for a token, or before it is pulled at all', async () => {
    await start();
    first.onOpen = agree;
    const [pulled, { tokens }] = [await generate(), await generate()];
    const pending = collect(pulled.tokens);
    leave.abort();
    expect((await thrownBy(() => pending)).code).toBe('stream_broken');
    expect((await thrownBy(() => collect(tokens))).code).toBe('stream_broken');
    await eventually('the closes', () => first.closes.length === 2);
  });

  it('hands on what it is told of the tokens, and ends where the grammar does', async () => {
    await start();
    first.onOpen = agree;
    const rated = { logprob: -0.5, rank: 2, ids: [9, 8], values: [-0.25, -0.5] };
    const told = [
      { logprobs: [rated], scored: [rated], scoredFrom: 1 },
      { logprobs: [rated], ended: true },
    ];
    first.onFrame = (frame) => answer(frame, told.shift());
    const steps: StepTokens[] = [];
    for await (const step of (await generate()).tokens) steps.push(step);
    expect(steps).toMatchObject([
      { tokens: [100], logprobs: [rated], scored: { from: 1, logprobs: [rated] } },
      { tokens: [101], logprobs: [rated], ended: true },
    ]);
    await eventually('the close', () => first.closes.length === 1);
  });

  it.each([
    ['more tokens than there are', [{ ids: [] }, { ids: [] }]],
    ['more neighbours than it rates', [{ ids: [1] }]],
  ])('ends a sequence whose head tells of %s', async (_what, logprobs) => {
    await start();
    first.onOpen = agree;
    first.onFrame = (frame) => answer(frame, { logprobs });
    const { tokens } = await generate();
    expect((await thrownBy(() => collect(tokens))).code).toBe('invalid_frame');
    await eventually('the close', () => first.closes.length === 1);
  });

  it('frees what its consumer breaks off', async () => {
    await start();
    first.onOpen = agree;
    first.onFrame = answer;
    for await (const { tokens } of (await generate()).tokens) if (tokens[0] === 101) break;
    await eventually('the close', () => first.closes.length === 1);
  });

  describe('in time', () => {
    it('gives up on a mesh that does not agree', async () => {
      await start({ stepTimeoutMs: 30 });
      expect(await thrownBy(generate)).toMatchObject({
        code: 'stream_broken',
        message: 'nothing was computed for it within 0.03 s',
      });
      expect(first.opens.length).toBeGreaterThan(1);
    });

    it('gives up on a token that does not come, even if the agreement comes again', async () => {
      await start({ stepTimeoutMs: 30 });
      first.onOpen = agree;
      first.onFrame = () => agree(first.opens.at(-1)!);
      const { tokens } = await generate();
      expect(await thrownBy(() => collect(tokens))).toMatchObject({
        message: 'nothing was computed for it within 0.03 s',
      });
      await eventually('the closes', () => first.closes.length === first.opens.length);
    });
  });

  it('fails what runs when it is closed', async () => {
    await start();
    first.onOpen = agree;
    const pending = collect((await generate()).tokens);
    backend.drain();
    expect(backend.notReadyReason()).toBe('the gateway is stopping');
    await Promise.all([
      backend.close(),
      thrownBy(() => pending).then(({ code }) => expect(code).toBe('stage_unavailable')),
    ]);
  });
});
