import { ServingError } from '../../../../services/lib/errors/serving-error.js';
import type { MeshBackend } from '../../../../services/gateway/generation/mesh-backend.js';
import type { Generation } from '../../../../services/gateway/generation/backend.js';
import { RoomQueue } from '../../../../services/gateway/routing/room-queue.js';
import type { StepTokens } from '../../../../services/lib/sampling/step-tokens.js';
import { eventually } from '../../../support/eventually.js';
import { greedy } from '../../../support/sampling.js';
import { thrownBy } from '../../../support/thrown-by.js';
import { backendOver, MemoryMesh, type MemoryReplica } from './memory-mesh.js';

const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('a queue for room', () => {
  let room = 0;
  let now = 0;
  const entered: number[] = [];
  const gaveUp: [number, unknown][] = [];
  const seek = (queue: RoomQueue, order: number, needs = 1, begun = false): AbortController => {
    const leave = new AbortController();
    const take = (): number | null => {
      if (needs > room) return null;
      room -= needs;
      return order;
    };
    queue.enter({ order, begun }, take, leave.signal).then(
      (place) => entered.push(place),
      (error: unknown) => gaveUp.push([order, error]),
    );
    return leave;
  };
  beforeEach(() => {
    [room, now] = [0, 0];
    entered.splice(0);
    gaveUp.splice(0);
  });

  it('lets in who came first, and nobody before it who needs less', async () => {
    const queue = new RoomQueue(1_000, () => now);
    for (const [order, needs] of [[3], [1, 5], [2]] as const) seek(queue, order, needs);
    room = 4;
    queue.admit();
    await settled();
    expect([entered, queue.length]).toEqual([[], 3]);
    room = 6;
    queue.admit();
    await settled();
    expect([entered, queue.length]).toEqual([[1, 2], 1]);
  });

  it('is left by who no longer waits, then and before', async () => {
    const queue = new RoomQueue(1_000, () => now);
    const first = seek(queue, 1, 9);
    seek(queue, 2);
    first.abort('gone');
    room = 1;
    queue.admit();
    await settled();
    expect(entered).toEqual([2]);
    expect(gaveUp).toEqual([[1, 'gone']]);
    room = 1;
    const late = queue.enter({ order: 3, begun: false }, () => 3, AbortSignal.abort(new Error('gone')));
    await expect(late).rejects.toThrow('gone');
    expect(queue.length).toBe(0);
  });

  it('tells one what is in its way, and goes on with the next', async () => {
    const queue = new RoomQueue(1_000, () => now);
    const failing = (): null => {
      if (room === 0) return null;
      throw new ServingError('stage_unavailable', 'no route');
    };
    const first = queue.enter({ order: 1, begun: false }, failing, new AbortController().signal);
    seek(queue, 2);
    room = 1;
    queue.admit();
    await expect(first).rejects.toThrow('no route');
    expect(entered).toEqual([2]);
  });

  it('gives the first one up when nothing has moved for too long', async () => {
    const queue = new RoomQueue(1_000, () => now);
    for (const order of [1, 2]) seek(queue, order);
    now = 999;
    queue.moved();
    now = 1_998;
    queue.admit();
    await settled();
    expect(gaveUp).toEqual([]);
    now = 1_999;
    queue.admit();
    await settled();
    expect(gaveUp).toMatchObject([[1, { code: 'kv_exhausted' }]]);
    expect(queue.length).toBe(1);
  });

  it('lets in who has begun before who came earlier and has not', async () => {
    const queue = new RoomQueue(1_000, () => now);
    seek(queue, 1);
    for (const order of [5, 4]) seek(queue, order, 1, true);
    room = 3;
    queue.admit();
    await settled();
    expect(entered).toEqual([4, 5, 1]);
  });

  it('gives up nobody who has begun, however long nothing moves, but those behind it', async () => {
    const queue = new RoomQueue(1_000, () => now);
    const begun = seek(queue, 1, 1, true);
    seek(queue, 2);
    for (let waits = 0; waits < 5; waits++) {
      now += 1_000;
      queue.admit();
    }
    await settled();
    expect(gaveUp).toMatchObject([[2, { code: 'kv_exhausted' }]]);
    expect(queue.length).toBe(1);
    begun.abort('gone');
    await settled();
    expect([gaveUp.at(-1), queue.length]).toEqual([[1, 'gone'], 0]);
  });
});

describe('sequences that do not all fit', () => {
  const CAPACITY = 300;
  let first: MemoryReplica;
  let head: MemoryReplica;
  let backend: MeshBackend;
  const leave = new Map<string, AbortController>();

  beforeEach(async () => {
    const mesh = new MemoryMesh();
    first = mesh.start('stage-0', 'a', ['x']);
    head = mesh.start('stage-1', 'x');
    for (const replica of [first, head]) replica.status = { kvCapacity: CAPACITY };
    backend = backendOver(mesh);
    first.onOpen = ({ sequence, epoch }) => head.send({ case: 'opened', value: { sequence, epoch } });
    // The next token is the position of the last row.
    first.onFrame = ({ items }) => {
      for (const { sequence, epoch, position, count, logits } of items) {
        const sampled = [{ sequence, epoch, position: position + count, tokens: [position + count] }];
        if (logits > 0) head.send({ case: 'tokens', value: { sampled } });
      }
    };
    await eventually('a route', () => backend.notReadyReason() === null);
  });
  afterEach(() => backend.close());

  const generate = (name: string, maxTokens = 90, length = 10): Promise<Generation> => {
    leave.set(name, new AbortController());
    const prompt = Array.from({ length }, (_, index) => index);
    return backend.generate({ prompt, sampling: greedy, maxTokens }, leave.get(name)!.signal);
  };
  const opens = (): string[] => first.opens.map(({ sequence, epoch }) => `${sequence}/${epoch}`);
  const collect = async ({ tokens }: Generation): Promise<number[]> => {
    const all: number[] = [];
    for await (const step of tokens) all.push(...step.tokens);
    return all;
  };

  it('wait in the order in which they came, and are all served', async () => {
    const running = await Promise.all(['one', 'two', 'three'].map((name) => generate(name)));
    const waiting = ['four', 'five'].map((name) => generate(name));
    await eventually('the queue', () => backend.waiting === 2);
    expect(opens()).toEqual(['g-1/1', 'g-2/1', 'g-3/1']);
    expect(await collect(running[1]!)).toHaveLength(90);
    await waiting[0];
    expect([opens().at(-1), backend.waiting]).toEqual(['g-4/1', 1]);
    await collect(running[0]!);
    expect(await collect(await waiting[1]!)).toHaveLength(90);
  });

  it('leave the queue with their client', async () => {
    for (const name of ['one', 'two', 'three']) await generate(name);
    const waiting = thrownBy(() => generate('four'));
    await eventually('the queue', () => backend.waiting === 1);
    leave.get('four')!.abort();
    expect((await waiting).code).toBe('stream_broken');
    expect(backend.waiting).toBe(0);
  });

  it('give way, and go on where they were before those that have not begun', async () => {
    const expected = await collect(await generate('alone'));
    const { tokens } = await generate('displaced');
    const pulling = tokens[Symbol.asyncIterator]();
    const sampled: number[] = [];
    while (sampled.length < 30) {
      const step = (await pulling.next()).value as StepTokens;
      sampled.push(...step.tokens);
    }
    const gives = { sequence: 'g-2', epoch: 1, code: 'kv_exhausted', message: 'full' };
    first.send({ case: 'failed', value: gives });
    await eventually('it waits', () => backend.waiting === 1);
    const later = generate('later');
    await eventually('both wait', () => backend.waiting === 2);
    // Its replicas tell with the next pong that there is room.
    await later;
    expect(opens().slice(-2)).toEqual(['g-2/2', 'g-3/1']);
    const again = first.opens.at(-2)!;
    expect(again.sampled).toEqual(sampled);
    expect(again.cachedBlocks).toBe(again.prefix.length);
    for await (const step of { [Symbol.asyncIterator]: () => pulling }) sampled.push(...step.tokens);
    expect(sampled).toEqual(expected);
  });

  it('that have begun wait for room as long as it takes, also where others are refused for want of it', async () => {
    await backend.close();
    const mesh = new MemoryMesh();
    for (const replica of [first, head]) mesh.add(replica);
    backend = backendOver(mesh, { patienceMs: 1 });
    await eventually('a route', () => backend.notReadyReason() === null);
    const { tokens } = await generate('displaced');
    const pulling = tokens[Symbol.asyncIterator]();
    await pulling.next();
    // Another gateway's sequences take all of it; of what they do nobody hears here.
    first.status = { kvCapacity: CAPACITY, kvUsed: CAPACITY };
    const used = (): number => backend.topology().stages[0]!.replicas[0]!.kv_used;
    await eventually('the word of it', () => used() === CAPACITY);
    const gives = { sequence: 'g-1', epoch: 1, code: 'kv_exhausted', message: 'full' };
    first.send({ case: 'failed', value: gives });
    await eventually('it waits', () => backend.waiting === 1);
    expect((await thrownBy(() => generate('later'))).code).toBe('kv_exhausted');
    expect(backend.waiting).toBe(1);
    first.status = { kvCapacity: CAPACITY, kvUsed: 0 };
    let rest = 0;
    for await (const step of { [Symbol.asyncIterator]: () => pulling }) rest += step.tokens.length;
    expect(rest).toBe(89);
  });

  it('count the room that others take', async () => {
    first.status = { kvCapacity: CAPACITY, kvUsed: 250 };
    await eventually('the word of it', () => backend.topology().stages[0]!.replicas[0]!.kv_used === 250);
    const waiting = generate('one');
    await eventually('it waits', () => backend.waiting === 1);
    first.status = { kvCapacity: CAPACITY, kvUsed: 0 };
    await waiting;
  });

  it('are refused at once where they would not fit even alone', async () => {
    const error = await thrownBy(() => generate('long', 1, CAPACITY));
    expect(error.code).toBe('kv_exhausted');
    expect(opens()).toEqual([]);
  });
});

describe('sequences on a replica that drains', () => {
  it('leave it as far as there is room for them elsewhere, and the others end there', async () => {
    const mesh = new MemoryMesh();
    const first = mesh.start('stage-0', 'a', ['x', 'y']);
    const [draining, other] = [mesh.start('stage-1', 'x'), mesh.start('stage-1', 'y')];
    for (const replica of [first, draining]) replica.status = { kvCapacity: 1_000 };
    other.status = { kvCapacity: 150, kvUsed: 150 };
    first.onOpen = ({ sequence, epoch, route }) => {
      const head = route[1] === 'x' ? draining : other;
      head.send({ case: 'opened', value: { sequence, epoch } });
    };
    const backend = backendOver(mesh);
    const heads = () => backend.topology().stages[1]!.replicas;
    await eventually('all links', () => heads().length === 2 && backend.notReadyReason() === null);

    const { signal } = new AbortController();
    const request = { prompt: Array.from({ length: 10 }, () => 1), sampling: greedy, maxTokens: 90 };
    for (const name of ['one', 'two']) {
      const { route } = await backend.generate(request, signal);
      expect([name, route]).toEqual([name, 'stage-0/a>stage-1/x']);
    }
    other.status = { kvCapacity: 150 };
    await eventually('the word of room', () => heads().every(({ kv_used }) => kv_used === 0));
    draining.status = { kvCapacity: 1_000, draining: true };
    draining.send({ case: 'drain', value: {} });
    await eventually('a move', () => first.opens.length === 3);
    await settled();
    expect(first.opens.at(-1)).toMatchObject({ sequence: 'g-1', epoch: 2, route: ['a', 'y'] });
    expect([first.closes, backend.waiting]).toEqual([['g-1/1'], 0]);
    await backend.close();
  });
});
