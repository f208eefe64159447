import { setTimeout as delay } from 'node:timers/promises';
import { Counter, Registry } from 'prom-client';
import type { GenerateRequest } from '../../../../services/gateway/generation/backend.js';
import type {
  MeshBackend,
  MeshBackendOptions,
} from '../../../../services/gateway/generation/mesh-backend.js';
import { sourceOfForm } from '../../../../services/lib/grammar/source.js';
import { constraintOf, type SamplingParams } from '../../../../services/lib/sampling/params.js';
import type { StepTokens } from '../../../../services/lib/sampling/step-tokens.js';
import { prefixBlocks } from '../../../../services/lib/model/prefix-blocks.js';
import { eventually } from '../../../support/eventually.js';
import { greedy } from '../../../support/sampling.js';
import { thrownBy } from '../../../support/thrown-by.js';
import { backendOver, reroutesCounter } from './memory-mesh.js';
import { SamplingMesh, VOCABULARY } from './sampling-mesh.js';

const drawn = { ...greedy, temperature: 1.2 };
/** One of the first six letters, then one of the others, over and over. */
const pairs = constraintOf(sourceOfForm({ kind: 'regex', pattern: '([a-f][g-l])+' }), []);
const request = { prompt: [1, 2, 3, 1, 2], sampling: greedy, maxTokens: 24 };

describe('a generation whose route breaks', () => {
  let system: SamplingMesh;
  let backend: MeshBackend;
  let leave: AbortController;
  let reroutes: Counter<'reason'>;

  const start = async (options: Partial<MeshBackendOptions> = {}): Promise<void> => {
    system = new SamplingMesh();
    reroutes = reroutesCounter();
    backend = backendOver(system.mesh, { prefillChunk: 4, reroutes, ...options });
    leave = new AbortController();
    await eventually('all links', () =>
      backend.topology().stages.every(({ replicas }) => replicas.length === 2),
    );
  };
  beforeEach(() => start());
  afterEach(() => backend.close());

  const generate = (changes: Partial<GenerateRequest> = {}) =>
    backend.generate({ ...request, ...changes }, leave.signal);
  const collect = async (steps: AsyncIterable<StepTokens>): Promise<number[]> => {
    const collected: number[] = [];
    for await (const { tokens } of steps) collected.push(...tokens);
    return collected;
  };
  const run = async (sampling: SamplingParams): Promise<number[]> =>
    collect((await generate({ sampling })).tokens);
  const rerouted = async (): Promise<Record<string, number>> =>
    Object.fromEntries(
      (await reroutes.get()).values.map(({ labels, value }) => [String(labels.reason), value]),
    );
  type Happening = SamplingMesh['onStep'];
  /** Happens once, in the step after so many tokens. */
  const atToken = (token: number, happening: Happening): void => {
    let done = false;
    system.onStep = (item, open) => {
      if (done || item.position + item.count < request.prompt.length + token) return false;
      done = true;
      return happening(item, open);
    };
  };
  /** The first stage says that the sequence cannot go on. */
  const breakRoute =
    (code: string): Happening =>
    ({ sequence, epoch }, { route }) => {
      const first = system.firsts.find(({ replica }) => replica === route[0])!;
      first.send({ case: 'failed', value: { sequence, epoch, code, message: 'm' } });
      return true;
    };
  const counter = (name: string): Counter => new Counter({ name, help: name, registers: [new Registry()] });

  describe.each([
    ['without drafts', false],
    ['with drafts', true],
  ])('%s', (_, drafts) => {
    beforeEach(async () => {
      if (!drafts) return;
      await backend.close();
      await start({
        speculation: { draftTokens: counter('drafted'), acceptedTokens: counter('accepted') },
      });
    });

    it.each([
      ['greedy tokens', greedy],
      ['drawn tokens', drawn],
      ['penalties over prompt and output', { ...drawn, repetitionPenalty: 1.4 }],
      ['penalties over the output', { ...greedy, presencePenalty: 0.7, frequencyPenalty: 0.6 }],
      ['a grammar', { ...greedy, constraint: pairs }],
      ['a grammar, drawn', { ...drawn, constraint: pairs, repetitionPenalty: 1.3 }],
      ['min_tokens', { ...drawn, minTokens: 14, stopIds: [1, 2, 3, 4, 5, 6] }],
      ['everything', { ...drawn, topK: 5, topP: 0.9, repetitionPenalty: 1.2, logitBias: [[3, 1]] as const }],
    ])('goes on as if nothing had been, with %s', async (_name, sampling) => {
      const expected = await run(sampling);
      expect(new Set(expected).size).toBeGreaterThan(2);
      for (const token of [0, 1, 7, 15, 23]) {
        atToken(token, breakRoute('stream_broken'));
        expect(await run(sampling)).toEqual(expected);
      }
      expect(await rerouted()).toEqual({ replica_lost: 5 });
    });
  });

  it('keeps to its grammar, and ends where that does', async () => {
    const form = { kind: 'regex', pattern: '([a-f][g-l]){3}a' } as const;
    const sampling = { ...drawn, constraint: constraintOf(sourceOfForm(form), []) };
    for (const breaks of [false, true]) {
      if (breaks) atToken(4, breakRoute('stream_broken'));
      const text = (await run(sampling)).map((id) => String.fromCharCode(97 + id)).join('');
      expect(text).toMatch(/^([a-f][g-l]){3}a$/);
    }
    await eventually('the close', () => system.firsts.flatMap(({ closes }) => closes).length === 3);
  });

  describe('with log probabilities', () => {
    const prompt = Array.from({ length: 11 }, (_, index) => (index * 5) % VOCABULARY);
    const sampling = { ...drawn, logprobs: 3 };
    const rated = async (): Promise<StepTokens[]> => {
      const steps: StepTokens[] = [];
      const { tokens } = await generate({ prompt, sampling, maxTokens: 6, score: 2 });
      for await (const step of tokens) steps.push(step);
      return steps;
    };

    it('asks for all rows of the prompt in small chunks, and for none that may be cached', async () => {
      const [first, ...rest] = await rated();
      expect(first!.scored).toMatchObject({ from: 1 });
      expect(first!.scored!.logprobs).toHaveLength(prompt.length - 1);
      expect(first!.scored!.logprobs.every(({ ids }) => ids.length === 2)).toBe(true);
      expect(rest.map(({ scored }) => scored)).toEqual(new Array(5).fill(undefined));
      expect([first!, ...rest].every(({ logprobs }) => logprobs?.[0]!.ids.length === 3)).toBe(true);
      const opened = system.firsts.flatMap(({ opens }) => opens);
      expect(opened).toMatchObject([{ prompt, score: 2, prefix: [] }]);
      expect(system.steps.slice(0, 4)).toEqual(['1@0', '1@3', '1@6', '1@9']);
    });

    it.each([0, 3, 6, 9])('keeps what was scored when its route breaks in the chunk at %d', async (chunk) => {
      const expected = await rated();
      const scored: number[] = [];
      let broken = false;
      system.onStep = (item, open) => {
        // What was sent of the first route is dropped there.
        if (broken && item.epoch === 1) return true;
        if (!broken && item.position === chunk) {
          broken = true;
          return breakRoute('stream_broken')(item, open);
        }
        const { position, count, score = 0 } = item;
        for (let row = position + count - score; row < position + count; row++) scored.push(row);
        return false;
      };
      expect(await rated()).toEqual(expected);
      // Each once, though the prompt was fed twice; and the last, which the first token is sampled after.
      expect(scored).toEqual([...prompt.keys()]);
    });

    it('keeps them when it breaks later, and asks for none again', async () => {
      const expected = await rated();
      atToken(prompt.length - request.prompt.length + 2, breakRoute('stream_broken'));
      expect(await rated()).toEqual(expected);
      expect(system.firsts.flatMap(({ opens }) => opens).at(-1)).toMatchObject({
        epoch: 2,
        prompt: [],
        prefix: [],
      });
      expect(system.firsts.flatMap(({ opens }) => opens).at(-1)!.score).toBeUndefined();
    });

    it.each([
      ['of its prompt', { score: 1 }],
      ['of its tokens', { sampling: { ...greedy, logprobs: 0 } }],
    ])('ends a sequence whose head tells none %s', async (_what, asked) => {
      for (const first of system.firsts) {
        first.onFrame = ({ items }) => {
          const { sequence, epoch, position, count } = items.at(-1)!;
          if (items.at(-1)!.logits === 0) return;
          const sampled = [{ sequence, epoch, position: position + count, tokens: [1] }];
          for (const head of system.heads) head.send({ case: 'tokens', value: { sampled } });
        };
      }
      const { tokens } = await generate(asked);
      expect((await thrownBy(() => collect(tokens))).code).toBe('invalid_frame');
    });
  });

  it('asks the new route for the prompt and what was sampled, as what they are', async () => {
    const prompt = Array.from({ length: 60 }, (_, index) => index % VOCABULARY);
    const sampling = { ...greedy, repetitionPenalty: 1.1 };
    const { tokens, route } = await generate({ prompt, sampling });
    expect(route).toBe('stage-0/a>stage-1/x');
    const pulling = tokens[Symbol.asyncIterator]();
    const sampled: number[] = [];
    while (sampled.length < 9) sampled.push(...((await pulling.next()).value as StepTokens).tokens);
    system.mesh.stop(system.heads[0]!);
    const [first] = system.firsts;
    await eventually('the new route', () => first!.opens.length === 2);
    const [before, open] = first!.opens;
    expect(open).toEqual({
      ...before,
      epoch: 2,
      // The first stage's replica is not at fault, and holds what it has computed.
      route: ['a', 'y'],
      sampled,
      cachedBlocks: 2,
      prefix: prefixBlocks([...prompt, ...sampled].slice(0, -1)),
    });
    expect(open!.prefix).toHaveLength(2);
    // Nobody waits for a token: nothing is computed yet.
    const frames = first!.frames.length;
    expect(first!.closes).toEqual(['g-1/1']);
    await pulling.next();
    const fed = first!.frames.slice(frames).flatMap(({ tokens: rows }) => rows);
    expect(fed).toEqual([...prompt, ...sampled]);
  });

  it.each([
    ['whose replica at fault it is told of', 'x', ['a', 'y']],
    ['of which nobody knows who is at fault', '', ['b', 'y']],
  ])('leaves of a route %s no more than it must', async (_, replica, route) => {
    const { tokens } = await generate();
    const value = { sequence: 'g-1', epoch: 1, code: 'stream_broken', message: 'm', replica };
    system.firsts[0]!.send({ case: 'failed', value });
    const opens = (): string[][] => system.firsts.flatMap((first) => first.opens.map((open) => open.route));
    await eventually('the next route', () => opens().length === 2);
    expect(opens()).toContainEqual(route);
    expect(await collect(tokens)).toHaveLength(request.maxTokens);
  });

  it.each([
    ['that comes back at once, where it was', true, 'x'],
    ['that does not, elsewhere', false, 'y'],
  ])(
    'goes on with a prompt that has cost seconds after the loss of a replica %s',
    async (_, returns, head) => {
      const prompt = Array.from({ length: 60 }, (_unused, index) => index % VOCABULARY);
      const expected = await collect((await generate({ prompt })).tokens);
      system.onStep = (_item, { epoch }) => epoch === 1;
      const { route, tokens } = await generate({ prompt });
      expect(route).toBe('stage-0/a>stage-1/x');
      const collecting = collect(tokens);
      await delay(4_000);
      system.mesh.stop(system.heads[0]!);
      if (returns) system.restart(0);
      expect(await collecting).toEqual(expected);
      const [last] = system.firsts.flatMap(({ opens }) => opens.slice(-1).filter(({ epoch }) => epoch === 2));
      expect(last!.route[1]).toBe(head);
    },
  );

  it.each(['firsts', 'heads'] as const)('goes on when it loses its links to %s', async (stage) => {
    const expected = await run(greedy);
    atToken(5, () => {
      for (const replica of system[stage]) replica.endLinks();
      return false;
    });
    expect(await run(greedy)).toEqual(expected);
    expect(await rerouted()).toEqual({ replica_lost: 1 });
  });

  it('opens nothing more for a consumer that breaks off while it looks for a route', async () => {
    const { tokens } = await generate();
    const pulling = tokens[Symbol.asyncIterator]();
    await pulling.next();
    const opens = (): string[] =>
      system.firsts.flatMap((first) => first.opens.map(({ sequence, epoch }) => `${sequence}/${epoch}`));
    const closes = (): string[] => system.firsts.flatMap((first) => first.closes);
    // No route agrees from now on.
    for (const first of system.firsts) first.onOpen = () => undefined;
    const lost = { sequence: 'g-1', epoch: 1, code: 'stream_broken', message: 'm' };
    system.firsts[0]!.send({ case: 'failed', value: lost });
    await eventually('the next route asked', () => opens().includes('g-1/2'));
    await pulling.return!();
    await eventually('its close', () => closes().includes('g-1/2'));
    for (let turn = 0; turn < 10; turn++) await new Promise((resolve) => setImmediate(resolve));
    expect(opens()).toEqual(['g-1/1', 'g-1/2']);
  });

  it('hears no more of what its old route has to say', async () => {
    const expected = await run(greedy);
    const { tokens } = await generate();
    const pulling = tokens[Symbol.asyncIterator]();
    const sampled = [...((await pulling.next()).value as StepTokens).tokens];
    const first = system.firsts.find(({ opens }) => opens.some(({ sequence }) => sequence === 'g-2'))!;
    first.send({ case: 'failed', value: { sequence: 'g-2', epoch: 1, code: 'stream_broken', message: 'm' } });
    const second = system.firsts.find((other) => other !== first)!;
    await eventually('the new route', () => second.opens.some(({ sequence }) => sequence === 'g-2'));
    const late = { sequence: 'g-2', epoch: 1 };
    const noise = [{ ...late, position: 6, tokens: [VOCABULARY] }];
    for (const head of system.heads) head.send({ case: 'tokens', value: { sampled: noise } });
    first.send({ case: 'failed', value: { ...late, code: 'invalid_frame', message: 'm' } });
    sampled.push(...(await collect(tokens)));
    expect(sampled).toEqual(expected);
  });

  it('leaves a route that does not answer in the time of a step', async () => {
    const expected = await run(greedy);
    await backend.close();
    await start({ stepTimeoutMs: 1_000 });
    atToken(5, () => true);
    expect(await run(greedy)).toEqual(expected);
    expect(await rerouted()).toEqual({ step_timeout: 1 });
  });

  it('waits for a replica to come, and goes on', async () => {
    const expected = await run(greedy);
    const stopped = [...system.heads];
    atToken(9, () => {
      for (const head of stopped) system.mesh.stop(head);
      return true;
    });
    const running = run(greedy);
    await eventually('no route', () => backend.notReadyReason() !== null);
    system.restart(0);
    expect(await running).toEqual(expected);
  });

  it.each([
    ['while it runs', 3],
    ['before it runs', null],
  ])('fails when none comes within its patience, %s', async (_, token) => {
    await backend.close();
    await start({ patienceMs: 250 });
    const vanish = (): boolean => {
      for (const head of [...system.heads]) system.mesh.stop(head);
      return true;
    };
    if (token === null) vanish();
    else atToken(token, vanish);
    await eventually('the loss', () => token !== null || backend.notReadyReason() !== null);
    expect(await thrownBy(() => run(greedy))).toMatchObject({
      code: 'stage_unavailable',
      message: 'no replica of stage-1 can be reached',
    });
  });

  it('looks no further when the request is aborted', async () => {
    const { tokens } = await generate();
    for (const head of [...system.heads]) system.mesh.stop(head);
    const pending = collect(tokens);
    leave.abort();
    expect((await thrownBy(() => pending)).message).toBe('the request was aborted');
    const opens = system.firsts.flatMap((first) => first.opens).length;
    system.restart(0);
    await eventually('a route', () => backend.notReadyReason() === null);
    expect(system.firsts.flatMap((first) => first.opens)).toHaveLength(opens);
  });

  it('opens no other route for a request that is aborted when its route has just broken', async () => {
    await backend.close();
    await start({ reroutes: { inc: () => queueMicrotask(() => leave.abort()) } });
    atToken(4, breakRoute('stream_broken'));
    expect((await thrownBy(() => run(greedy))).message).toBe('the request was aborted');
    leave = new AbortController();
    await run(greedy);
    const opens = system.firsts.flatMap((first) => first.opens);
    expect(opens.map(({ sequence, epoch }) => `${sequence}/${epoch}`).toSorted()).toEqual(['g-1/1', 'g-2/1']);
  });

  it.each(['invalid_frame', 'logits_invalid', 'internal'])('fails at once with %s', async (code) => {
    atToken(4, breakRoute(code));
    expect((await thrownBy(() => run(greedy))).code).toBe(code);
    expect(await rerouted()).toEqual({});
  });

  it('gives up what breaks one route after the other', async () => {
    system.onStep = breakRoute('stream_broken');
    expect((await thrownBy(() => run(greedy))).code).toBe('stream_broken');
    expect(system.steps).toHaveLength(6);
  });

  it('waits for room when it has begun already', async () => {
    const expected = await run(greedy);
    let refusals = 0;
    for (const first of system.firsts) {
      first.onOpen = (open) => {
        const { sequence, epoch } = open;
        const value = { sequence, epoch, code: 'kv_exhausted', message: 'm' };
        if (epoch > 1 && ++refusals < 4) first.send({ case: 'failed', value });
        else system.open(open);
      };
    }
    atToken(4, breakRoute('stage_unavailable'));
    expect(await run(greedy)).toEqual(expected);
    expect(refusals).toBe(4);
  });

  it('needs no route for tokens that have come', async () => {
    const { tokens } = await generate({ maxTokens: 1 });
    const pulling = tokens[Symbol.asyncIterator]();
    expect((await pulling.next()).done).toBe(false);
    // Nor does it keep one any longer.
    await eventually('the close', () => system.firsts[0]!.closes.includes('g-1/1'));
    for (const head of [...system.heads]) system.mesh.stop(head);
    await eventually('no route', () => backend.notReadyReason() !== null);
    expect((await pulling.next()).done).toBe(true);
    expect(await rerouted()).toEqual({});
  });

  it('has all its patience for each loss, also while nobody pulls', async () => {
    const expected = await run(greedy);
    await backend.close();
    await start({ patienceMs: 1 });
    const { tokens } = await generate();
    for (const epoch of [1, 2, 3]) {
      const value = { sequence: 'g-1', epoch, code: 'stream_broken', message: 'm' };
      for (const first of system.firsts) first.send({ case: 'failed', value });
      await eventually('the next route', () =>
        system.firsts.some(({ opens }) => opens.some((open) => open.epoch === epoch + 1)),
      );
    }
    expect(await collect(tokens)).toEqual(expected);
  });

  describe('or drains', () => {
    const drain = (replica: string): void => {
      const draining = [...system.firsts, ...system.heads].find((other) => other.replica === replica)!;
      draining.status = { draining: true };
      draining.send({ case: 'drain', value: {} });
    };
    const closes = (): string[] => system.firsts.flatMap((first) => first.closes);

    it('leaves it between two steps, at once', async () => {
      const expected = await run(greedy);
      const { tokens } = await generate();
      const pulling = tokens[Symbol.asyncIterator]();
      const sampled = [...((await pulling.next()).value as StepTokens).tokens];
      const { route } = system.firsts
        .flatMap(({ opens }) => opens)
        .find(({ sequence }) => sequence === 'g-2')!;
      drain(route[1]!);
      await eventually('the close', () => closes().includes('g-2/1'));
      sampled.push(...(await collect(tokens)));
      expect(sampled).toEqual(expected);
      expect(await rerouted()).toEqual({ draining: 1 });
    });

    it('takes the step with it that is under way', async () => {
      const expected = await run(greedy);
      atToken(6, () => {
        drain('x');
        drain('a');
        return false;
      });
      const before = system.steps.length;
      expect(await run(greedy)).toEqual(expected);
      // Its answer was taken, so no step was asked for twice.
      expect(system.steps.length - before).toBe(request.maxTokens);
      expect(await rerouted()).toEqual({ draining: 1 });
    });

    it('stays where there is no other', async () => {
      drain('y');
      const { tokens } = await generate();
      const pulling = tokens[Symbol.asyncIterator]();
      await pulling.next();
      drain('x');
      expect(await collect(tokens)).toHaveLength(request.maxTokens - 1);
      expect(await rerouted()).toEqual({});
    });
  });
});
