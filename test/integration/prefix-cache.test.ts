import {
  SMALL,
  smallPrompt,
  startSystem,
  type TestSystem,
  type TestSystemOptions,
} from '../support/local-system.js';
import { eventsOf, post } from '../support/completions.js';

interface Answered {
  readonly ids: number[];
  /** Of each. */
  readonly logprobs: number[];
  readonly cached: number;
  /** From the request to the first token, ms. */
  readonly ttft: number;
}

/** Of float additions in another order. */
const TOLERANCE = 1e-3;

/** That what was computed was the same, and not only what was likeliest. */
function expectSame(found: Answered, expected: Answered): void {
  expect(found.ids).toEqual(expected.ids);
  expect(found.logprobs).toHaveLength(expected.ids.length);
  for (const [at, logprob] of found.logprobs.entries())
    expect(Math.abs(logprob - expected.logprobs[at]!)).toBeLessThan(TOLERANCE);
}

/** Greedy tokens from a stream, and when the first came. A salt of its own keeps a request from what is cached. */
async function ask(url: string, tokens: readonly number[], count = 8, salt?: string): Promise<Answered> {
  const started = performance.now();
  const response = await post(`${url}/v1/completions`, {
    prompt: tokens,
    max_tokens: count,
    temperature: 0,
    ignore_eos: true,
    return_token_ids: true,
    logprobs: 1,
    stream: true,
    stream_options: { include_usage: true },
    ...(salt !== undefined && { cache_salt: salt }),
  });
  if (!response.ok) throw new Error(`${response.status}: ${await response.text()}`);
  const ids: number[] = [];
  const logprobs: number[] = [];
  let ttft = 0;
  let cached = -1;
  for await (const data of eventsOf(response)) {
    if (data === '[DONE]') break;
    const { choices, usage } = JSON.parse(data) as Chunk;
    ids.push(...(choices[0]?.token_ids ?? []));
    logprobs.push(...(choices[0]?.logprobs?.token_logprobs ?? []));
    if (ids.length > 0 && ttft === 0) ttft = performance.now() - started;
    if (usage !== null) cached = usage.prompt_tokens_details.cached_tokens;
  }
  return { ids, logprobs, cached, ttft };
}

interface Chunk {
  readonly choices: readonly {
    readonly token_ids?: readonly number[];
    readonly logprobs?: { readonly token_logprobs: readonly number[] } | null;
  }[];
  readonly usage: { readonly prompt_tokens_details: { readonly cached_tokens: number } } | null;
}

const metric = async (url: string, name: string): Promise<number> => {
  const text = await (await fetch(`${url}/metrics`)).text();
  return Number(new RegExp(`^${name}\\{[^}]*\\} (.*)$`, 'm').exec(text)![1]);
};

describe('the prefix cache', () => {
  let system: TestSystem;
  const COUNT = 12;
  const start = async (options: TestSystemOptions = {}): Promise<void> => {
    system = await startSystem(options);
  };
  afterEach(() => system.stop());

  it('over three stages and Dapr: a request that begins like another has its first token in a quarter of the time', async () => {
    // So long that what else a request takes does not count: a prompt goes in a dozen steps, the rest of one in one.
    const env = { LAYERMESH_FAULT_STAGE: 'stage-1', LAYERMESH_FAULT_STEP_MS: '100' };
    await start({ model: SMALL, split: [1, 2], env });
    await ask(system.url, smallPrompt(200, 9), 2); // The first request of all is slower than it need be.
    const ratios: number[] = [];
    for (const round of [0, 1, 2]) {
      const shared = smallPrompt(1_000, round);
      const first = await ask(system.url, [...shared, 5, 6, 7], 2);
      const second = await ask(system.url, [...shared, 8, 9], 2);
      expect([first.cached, second.cached]).toEqual([0, 992]);
      ratios.push(second.ttft / first.ttft);
    }
    console.info(`TTFT against the first: ${ratios.map((ratio) => ratio.toFixed(3)).join(', ')}`);
    expect(ratios.toSorted((a, b) => a - b)[1]).toBeLessThanOrEqual(0.25);
    expect(await metric(system.url, 'layermesh_prefix_cache_queries_total')).toBe(200 + 3 * (1_003 + 1_002));
    expect(await metric(system.url, 'layermesh_prefix_cache_hits_total')).toBe(3 * 992);

    // Two tenants with salts of their own, and one without, learn nothing of one another's prompts.
    const cached: number[] = [];
    for (const salt of ['one', 'one', 'two', undefined, 'two', undefined]) {
      cached.push((await ask(system.url, smallPrompt(200, 7), 2, salt)).cached);
    }
    expect(cached).toEqual([0, 192, 0, 0, 192, 192]);
  }, 120_000);

  it('changes no answer, of one request or of a conversation, nor where most of it has been evicted', async () => {
    const [one, other] = [smallPrompt(700, 1), smallPrompt(900, 2)];
    const prompts = [one, [...one, 7, 8], other, one];
    const plan = { model: SMALL, mesh: 'direct', precision: 'f32', split: [1] } as const;
    await start(plan);
    const uncached = async (tokens: readonly number[], salt: string): Promise<Answered> => {
      const answer = await ask(system.url, tokens, COUNT, salt);
      expect(answer.cached).toBe(0);
      return answer;
    };
    const expected: Answered[] = [];
    for (const [index, tokens] of prompts.entries()) expected.push(await uncached(tokens, `prompt ${index}`));
    const conversation = [...one, ...expected[0]!.ids, 11, 12, 13];
    const goesOn = await uncached(conversation, 'conversation');

    const cachedOf = async (): Promise<number[]> => {
      const cached: number[] = [];
      for (const [index, tokens] of prompts.entries()) {
        const answer = await ask(system.url, tokens, COUNT);
        expectSame(answer, expected[index]!);
        cached.push(answer.cached);
      }
      return cached;
    };
    expect(await cachedOf()).toEqual([0, 672, 0, 672]);
    const answer = await ask(system.url, conversation, COUNT);
    expectSame(answer, goesOn);
    expect(answer.cached).toBe(704);
    await system.stop();

    // The second stage, which has two layers, has room for 32 blocks, the first for twice as many; the KV room is for one
    // sequence. Of the first prompt's 22 blocks and the second's last, the third's 28 leave four.
    await start({ ...plan, kvTokens: 940, env: { LAYERMESH_PREFIX_CACHE_MB: '1' } });
    expect(await cachedOf()).toEqual([0, 672, 0, 128]);
  }, 180_000);
});
