import { readFile } from 'node:fs/promises';
import OpenAI from 'openai';
import { post } from '../support/completions.js';
import { startSystem, type TestSystem } from '../support/local-system.js';

interface Fixture {
  readonly cases: { prompt: number[]; top: number[]; topLogprobs: number[] }[];
}
interface Logprobs {
  readonly tokens: string[];
  readonly token_logprobs: (number | null)[];
  readonly top_logprobs: (Record<string, number> | null)[];
  readonly text_offset: number[];
}

const fixture = JSON.parse(await readFile('test/fixtures/llama-logits.json', 'utf8')) as Fixture;
const PASSAGE = (await readFile('test/fixtures/tom-sawyer.txt', 'utf8')).slice(0, 1_200);
/** Of float additions in another order. */
const TOLERANCE = 1e-3;

/** In f32, with guesses of a draft and a prompt of several chunks over two stages. */
describe('log probabilities of the demo model', () => {
  let system: TestSystem;
  beforeAll(async () => {
    system = await startSystem({ mesh: 'direct', split: [15], precision: 'f32' });
  }, 120_000);
  afterAll(() => system.stop());

  const complete = async (
    fields: object,
  ): Promise<{ text: string; token_ids: number[]; prompt_token_ids: number[]; logprobs: Logprobs }> => {
    const asked = { temperature: 0, return_token_ids: true, ...fields };
    const answer = await post(`${system.url}/v1/completions`, asked);
    const body = (await answer.json()) as {
      choices: Awaited<ReturnType<typeof complete>>[];
      error?: unknown;
    };
    expect(body.error).toBeUndefined();
    return body.choices[0]!;
  };

  it("are llama.cpp's of the same weights, after a prompt and within it", async () => {
    for (const { prompt, top, topLogprobs } of fixture.cases.slice(0, 4)) {
      const [best, ...others] = topLogprobs;
      const sampled = await complete({ prompt, max_tokens: 1, logprobs: 5 });
      const found = Object.values(sampled.logprobs.top_logprobs[0]!).sort((a, b) => b - a);
      expect(sampled.token_ids).toEqual([top[0]]);
      expect(Math.abs(sampled.logprobs.token_logprobs[0]! - best!)).toBeLessThan(TOLERANCE);
      others
        .slice(0, 4)
        .forEach((logprob, at) => expect(Math.abs(found[at + 1]! - logprob)).toBeLessThan(TOLERANCE));
      // The same as tokens of a prompt, whichever they are.
      for (const [index, token] of top.slice(0, 3).entries()) {
        const scored = await complete({ prompt: [...prompt, token], max_tokens: 0, logprobs: 0, echo: true });
        expect(Math.abs(scored.logprobs.token_logprobs.at(-1)! - topLogprobs[index]!)).toBeLessThan(
          TOLERANCE,
        );
      }
    }
  }, 240_000);

  it('of a long prompt are the same whether it is generated or given, and leave the cache alone', async () => {
    const whole = await complete({ prompt: PASSAGE, max_tokens: 24, logprobs: 2, echo: true });
    const ids = [...whole.prompt_token_ids, ...whole.token_ids];
    expect(whole.logprobs.tokens).toHaveLength(ids.length);
    expect(whole.text.startsWith(PASSAGE)).toBe(true);
    // Now what was generated is prompt, and some of it is cached.
    const given = await complete({ prompt: ids, max_tokens: 0, logprobs: 2, echo: true });
    expect(given.text).toBe(whole.text);
    expect(given.logprobs.tokens).toEqual(whole.logprobs.tokens);
    expect(given.logprobs.text_offset).toEqual(whole.logprobs.text_offset);
    const [first, ...rest] = given.logprobs.token_logprobs;
    expect(first).toBeNull();
    rest.forEach((logprob, at) =>
      expect(Math.abs(logprob! - whole.logprobs.token_logprobs[at + 1]!)).toBeLessThan(TOLERANCE),
    );
    // What was generated greedily is the likeliest.
    for (const [at, top] of given.logprobs.top_logprobs.slice(-24).entries())
      expect(Math.max(...Object.values(top!))).toBe(given.logprobs.token_logprobs.slice(-24)[at]);
  }, 240_000);

  it('reach the client in streams, token by token', async () => {
    const client = new OpenAI({ baseURL: `${system.url}/v1`, apiKey: 'none' });
    const request = {
      model: 'default',
      messages: [{ role: 'user' as const, content: 'Count: one two three one two three one two' }],
      temperature: 0,
      max_tokens: 20,
      logprobs: true,
      top_logprobs: 3,
    };
    const answer = await client.chat.completions.create(request);
    const streamed: string[] = [];
    let text = '';
    for await (const { choices } of await client.chat.completions.create({ ...request, stream: true })) {
      text += choices[0]!.delta.content ?? '';
      streamed.push(...(choices[0]!.logprobs?.content?.map(({ token }) => token) ?? []));
    }
    const { content } = answer.choices[0]!.logprobs!;
    expect(streamed).toEqual(content!.map(({ token }) => token));
    expect(text).toBe(answer.choices[0]!.message.content);
    for (const { logprob, top_logprobs: top } of content!) {
      expect(top).toHaveLength(3);
      expect(logprob).toBe(top[0]!.logprob);
      expect(top.reduce((sum, each) => sum + Math.exp(each.logprob), 0)).toBeLessThan(1 + 1e-6);
    }
  }, 120_000);
});
