import { readFile } from 'node:fs/promises';
import { Scrape } from '../../scripts/lib/local/metrics-page.js';
import { post } from '../support/completions.js';
import { startSystem, type TestSystem } from '../support/local-system.js';
import { stepsRun } from '../support/stage-metrics.js';

const COUNT = 24;
/** Where drafts are counted: a copy is guessed well once it has begun. */
const LONGER = 40;
const PASSAGE = (await readFile('test/fixtures/tom-sawyer.txt', 'utf8')).slice(0, 400);
const COPY = `The text:\n${PASSAGE}\n\nThe same text once more:\n`;
const CODE = 'def add(a, b):\n    return a + b\n\ndef sub(a, b):\n    return a - b\n\ndef mul(a, b):';
const PROMPTS = [COPY, CODE, 'In the autumn of 1842 the first railway'];

interface Sampling {
  readonly temperature: number;
  readonly seed?: number;
  readonly repetition_penalty?: number;
}

async function tokensOf(
  { url }: TestSystem,
  prompt: string,
  sampling: Sampling,
  count = COUNT,
): Promise<number[]> {
  const wanted = { max_tokens: count, ignore_eos: true, return_token_ids: true };
  const answer = await post(`${url}/v1/completions`, { prompt, ...wanted, ...sampling });
  const { choices } = (await answer.json()) as { choices: { token_ids: number[] }[] };
  return choices[0]!.token_ids;
}

/** In f32, where a sum's order moves no more than the last bits of a logit. */
describe('with speculation', () => {
  let auto: TestSystem;
  let off: TestSystem;
  beforeAll(async () => {
    const served = { mesh: 'direct', split: [15], precision: 'f32' } as const;
    [auto, off] = await Promise.all([
      startSystem({ ...served, env: { LAYERMESH_SPECULATION: 'auto' } }),
      startSystem({ ...served, env: { LAYERMESH_SPECULATION: 'off' } }),
    ]);
  }, 120_000);
  afterAll(() => Promise.all([auto, off].map((system) => system.stop())));

  const stepsOfHead = (system: TestSystem): Promise<number> => stepsRun(system.members('stage-1')[0]!);
  const counterOf = async ({ url }: TestSystem, name: string): Promise<number> =>
    new Scrape(await (await fetch(`${url}/metrics`)).text()).total(`layermesh_spec_decode_num_${name}_total`);

  it.each<[string, Sampling]>([
    ['greedy', { temperature: 0 }],
    ['drawn', { temperature: 0.8, seed: 7 }],
    ['penalised', { temperature: 0, repetition_penalty: 1.1 }],
  ])(
    '%s tokens are those without',
    async (_, sampling) => {
      const [found, expected] = await Promise.all(
        [auto, off].map((system) => Promise.all(PROMPTS.map((prompt) => tokensOf(system, prompt, sampling)))),
      );
      expect(found).toEqual(expected);
    },
    240_000,
  );

  it('its log probabilities are those without', async () => {
    const asked = {
      prompt: COPY,
      max_tokens: COUNT,
      ignore_eos: true,
      temperature: 0,
      logprobs: 1,
      echo: true,
    };
    const [found, expected] = await Promise.all(
      [auto, off].map(async ({ url }) => {
        const answer = await post(`${url}/v1/completions`, asked);
        const { choices } = (await answer.json()) as {
          choices: { logprobs: { tokens: string[]; token_logprobs: number[] } }[];
        };
        return choices[0]!.logprobs;
      }),
    );
    expect(found!.tokens).toEqual(expected!.tokens);
    expect(found!.tokens.length).toBeGreaterThan(2 * COUNT);
    for (const [at, logprob] of found!.token_logprobs.slice(1).entries())
      expect(Math.abs(logprob - expected!.token_logprobs[at + 1]!)).toBeLessThan(1e-3);
  }, 240_000);

  it('tokens kept to a form are those without, and end where those do', async () => {
    const schema = {
      type: 'array',
      items: {
        type: 'object',
        properties: { word: { type: 'string', maxLength: 9 }, kind: { enum: ['noun', 'verb'] } },
        required: ['word', 'kind'],
      },
      minItems: 4,
      maxItems: 6,
    };
    const asked = { prompt: 'A list of words:\n', max_tokens: 200, temperature: 0, guided_json: schema };
    const accepted = await counterOf(auto, 'accepted_tokens');
    const [found, expected] = await Promise.all(
      [auto, off].map(async ({ url }) => {
        const answer = await post(`${url}/v1/completions`, asked);
        return ((await answer.json()) as { choices: { text: string; finish_reason: string }[] }).choices[0]!;
      }),
    );
    expect(found).toEqual(expected);
    expect([found!.finish_reason, Array.isArray(JSON.parse(found!.text))]).toEqual(['stop', true]);
    expect(await counterOf(auto, 'accepted_tokens')).toBeGreaterThan(accepted);
  }, 240_000);

  it('forms that others are kept to change nothing', async () => {
    const free = (): Promise<number[]> => tokensOf(auto, CODE, { temperature: 0 });
    const alone = await free();
    const kept = { prompt: 'A word:', max_tokens: 40, temperature: 1.2, guided_regex: '[a-z]{30,60}' };
    const [beside] = await Promise.all([
      free(),
      ...[1, 2, 3, 4].map((seed) => post(`${auto.url}/v1/completions`, { ...kept, seed })),
    ]);
    expect(beside).toEqual(alone);
  }, 240_000);

  it('several sequences at once get the tokens that each gets alone', async () => {
    const greedy = { temperature: 0 };
    const together = Promise.all(PROMPTS.map((prompt) => tokensOf(auto, prompt, greedy)));
    const alone: number[][] = [];
    for (const prompt of PROMPTS) alone.push(await tokensOf(off, prompt, greedy));
    expect(await together).toEqual(alone);
  }, 240_000);

  it('a text that repeats its prompt takes far fewer steps, and as many as tokens without', async () => {
    const steps: number[] = [];
    const accepted = await counterOf(auto, 'accepted_tokens');
    for (const system of [auto, off]) {
      const before = await stepsOfHead(system);
      await tokensOf(system, COPY, { temperature: 0 }, LONGER);
      steps.push((await stepsOfHead(system)) - before);
    }
    expect(steps[1]).toBeGreaterThanOrEqual(LONGER);
    expect(steps[0]).toBeLessThan(0.75 * steps[1]!);
    const gained = (await counterOf(auto, 'accepted_tokens')) - accepted;
    expect(gained).toBe(steps[1]! - steps[0]!);
    expect(await counterOf(auto, 'draft_tokens')).toBeGreaterThanOrEqual(gained);
    expect(await counterOf(off, 'draft_tokens')).toBe(0);
  }, 120_000);
});
