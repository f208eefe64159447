import { Scrape } from '../../scripts/lib/local/metrics-page.js';
import type { StageTopology } from '../../services/gateway/generation/backend.js';
import { errorOf, greedyTokens, post, startStream, type RunningStream } from '../support/completions.js';
import { eventually } from '../support/eventually.js';
import { openSequences } from '../support/stage-metrics.js';
import {
  SMALL,
  SMALL_MODEL,
  smallPrompt,
  startSystem,
  type TestMember,
  type TestSystem,
} from '../support/local-system.js';

const prompts = [5, 8, 40].map((length, index) => smallPrompt(length, index));
const PROMPT = prompts[0]!;

/** What each step of stage-1 takes at least, ms: streams last long enough for something to happen to them. */
const PACE = 25;

/** Tokens of a short stream, and how many have come when something happens to it. */
const COUNT = 48;
const EARLY = 6;
/** More than a test waits for. */
const LONG = 3_000;

interface Usage {
  readonly completion_tokens: number;
  readonly prompt_tokens_details: { readonly cached_tokens: number };
}

interface Completed {
  readonly route: string;
  readonly tokens: number;
  /** Of its prompt. */
  readonly cached: number;
}

describe('three stages with two replicas each, over Dapr', () => {
  let system: TestSystem;
  beforeAll(async () => {
    const replicas = { 'stage-0': 2, 'stage-1': 2, 'stage-2': 2 };
    const pace = { LAYERMESH_FAULT_STAGE: 'stage-1', LAYERMESH_FAULT_STEP_MS: String(PACE) };
    // The same streams run again and again, and would be guessed from how they ran before.
    const env = { ...pace, LAYERMESH_SPECULATION: 'own' };
    system = await startSystem({ model: SMALL, split: [1, 2], precision: 'f32', replicas, env });
  }, 180_000);
  afterAll(() => system.stop());

  const begin = (count: number, signal?: AbortSignal): Promise<RunningStream[]> =>
    Promise.all(prompts.map((prompt) => startStream(system.url, prompt, count, signal)));
  const undisturbed = async (count: number): Promise<number[][]> => {
    const streams = await begin(count);
    await Promise.all(streams.map(({ done }) => done));
    return streams.map(({ tokens }) => [...tokens]);
  };
  /** So many more tokens of each. */
  const haveCome = async (streams: readonly RunningStream[], count: number): Promise<void> => {
    const wanted = streams.map(({ tokens }) => tokens.length + count);
    await eventually(
      `${count} tokens of each`,
      () => streams.every(({ tokens }, index) => tokens.length >= wanted[index]!),
      60_000,
    );
  };
  /** The process that the first of the streams began on in a stage. */
  const inUse = async ([stream]: readonly RunningStream[], stage: number): Promise<TestMember> => {
    const id = stream!.route.split('>')[stage]!.split('/')[1];
    const { pid } = (await replicasOf(stage)).find((replica) => replica.id === id)!;
    return system.members(`stage-${stage}`).find(({ servicePid }) => servicePid === pid)!;
  };
  const replicasOf = async (stage: number): Promise<StageTopology['replicas']> =>
    (await system.topology()).stages[stage]!.replicas;
  const rerouted = async (reason: string): Promise<number> => {
    const page = await fetch(`${system.url}/metrics`);
    return new Scrape(await page.text()).total('layermesh_reroutes_total', `reason="${reason}"`);
  };

  /** So many tokens; what route they took. */
  const complete = async (count: number, prompt: readonly number[] = PROMPT): Promise<Completed> => {
    const body = { prompt, max_tokens: count, temperature: 0, ignore_eos: true };
    const answer = await post(`${system.url}/v1/completions`, body);
    const { usage } = (await answer.json()) as { usage: Usage };
    return {
      route: answer.headers.get('x-layermesh-route')!,
      tokens: usage.completion_tokens,
      cached: usage.prompt_tokens_details.cached_tokens,
    };
  };

  it('share the sequences, and each sequence keeps its route', async () => {
    const middle = ({ route }: Completed): string => route.split('>')[1]!;
    // A stage tells every two seconds which replicas it can reach; the second may have come since.
    await eventually('both in reach', async () => {
      const two = await Promise.all([complete(8), complete(8)]);
      return new Set(two.map(middle)).size === 2;
    });
    // Long enough that the first still runs when the last comes, however well its tokens are guessed.
    const answers = await Promise.all(Array.from({ length: 8 }, () => complete(200)));
    const counts = new Map<string, number>();
    for (const answer of answers) {
      expect(answer.route).toMatch(/^stage-0\/\w+>stage-1\/\w+>stage-2\/\w+$/);
      expect(answer.tokens).toBe(200);
      counts.set(middle(answer), (counts.get(middle(answer)) ?? 0) + 1);
    }
    expect([...counts.values()]).toEqual([4, 4]);
  }, 60_000);

  it('are chosen by what they have computed of a prompt', async () => {
    const shared = [11, 12, 13, 14].map((number) => smallPrompt(100, number));
    const first: Completed[] = [];
    for (const prompt of shared) first.push(await complete(8, prompt));
    for (const [index, prompt] of shared.entries()) {
      const again = await complete(8, [...prompt, 3]);
      expect([again.route, again.cached]).toEqual([first[index]!.route, 96]);
    }
  }, 60_000);

  it('are all freed when clients disconnect', async () => {
    const client = new AbortController();
    const streams = Array.from({ length: 6 }, () => startStream(system.url, PROMPT, LONG, client.signal));
    const running = await Promise.all(streams);
    const members = [0, 1, 2].flatMap((stage) => system.members(`stage-${stage}`));
    const open = async (): Promise<number> =>
      (await Promise.all(members.map(openSequences))).reduce((sum, count) => sum + count, 0);
    await eventually('six sequences in each stage', async () => (await open()) === 3 * 6);
    client.abort();
    await eventually('none left', async () => (await open()) === 0);
    await Promise.allSettled(running.map(({ done }) => done));
  }, 60_000);

  it('answer a prompt of several prefill chunks', async () => {
    expect(await greedyTokens(system.url, smallPrompt(700, 3), 8)).toHaveLength(8);
  }, 60_000);

  it('serve on after bad requests', async () => {
    const before = await greedyTokens(system.url, PROMPT, 8);
    const bad: [unknown, number, string][] = [
      ['{"prompt": ', 400, 'invalid_json'],
      [{ prompt: PROMPT, temperature: 'hot' }, 400, 'invalid_value'],
      [`{"prompt": "x", "temperature": NaN}`, 400, 'invalid_json'],
      [{ prompt: PROMPT, model: 'gpt-9' }, 404, 'model_not_found'],
      [{ prompt: new Array<number>(9_000).fill(5) }, 400, 'context_length_exceeded'],
      [{ prompt: 'x'.repeat(10 << 20) }, 413, 'request_too_large'],
      [{ prompt: [SMALL_MODEL.vocabulary] }, 400, 'invalid_value'],
    ];
    for (const [body, status, code] of bad) {
      expect(await errorOf(await post(`${system.url}/v1/completions`, body))).toMatchObject({ status, code });
    }
    expect(await greedyTokens(system.url, PROMPT, 8)).toEqual(before);
  }, 60_000);

  describe('let greedy streams go on as if nothing had been', () => {
    let expected: number[][];
    beforeAll(async () => {
      expected = await undisturbed(COUNT);
    }, 60_000);

    it.each([
      ['a service of stage-0', 0, 'servicePid'],
      ['a service of stage-1', 1, 'servicePid'],
      ['a service of the head', 2, 'servicePid'],
      ['a sidecar', 0, 'sidecarPid'],
    ] as const)(
      'when %s is killed',
      async (_, stage, victim) => {
        await eventually('both replicas', async () => (await replicasOf(stage)).length === 2, 60_000);
        const before = await rerouted('replica_lost');
        const streams = await begin(COUNT);
        await haveCome(streams, EARLY);
        process.kill((await inUse(streams, stage))[victim]!, 'SIGKILL');
        await Promise.all(streams.map(({ done }) => done));
        expect(streams.map(({ tokens }) => tokens)).toEqual(expected);
        expect(await rerouted('replica_lost')).toBeGreaterThan(before);
      },
      90_000,
    );
  });

  it('let them live through scaling down, the death of the only replica that is left, and scaling up', async () => {
    await eventually('both replicas', async () => (await replicasOf(1)).length === 2, 60_000);
    const client = new AbortController();
    const streams = await begin(LONG, client.signal);

    // None of them is near its end, so nobody has waited for that.
    await system.scale('stage-1', 1);
    expect(await rerouted('draining')).toBeGreaterThan(0);
    await haveCome(streams, EARLY);

    process.kill(system.members('stage-1')[0]!.servicePid, 'SIGKILL');
    await eventually('its death', async () => (await replicasOf(1)).length === 0);
    await haveCome(streams, EARLY);

    const before = await rerouted('rebalanced');
    await system.scale('stage-1', 2);
    await eventually('a move', async () => (await rerouted('rebalanced')) > before, 30_000);
    await haveCome(streams, EARLY);

    const come = streams.map(({ tokens }) => [...tokens]);
    client.abort();
    await Promise.allSettled(streams.map(({ done }) => done));
    const longest = Math.max(...come.map(({ length }) => length));
    expect(longest).toBeLessThan(LONG);
    const expected = await undisturbed(longest);
    expect(come).toEqual(expected.map((tokens, index) => tokens.slice(0, come[index]!.length)));
  }, 180_000);
});
