import { Scrape } from '../../scripts/lib/local/metrics-page.js';
import { greedyTokens, post } from '../support/completions.js';
import { SMALL, SMALL_MODEL, smallPrompt, startSystem, type TestSystem } from '../support/local-system.js';

const PROMPT = smallPrompt(5);
const COUNT = 12;

describe('a system with activations of 16 bits and no prefix cache', () => {
  let system: TestSystem;
  beforeAll(async () => {
    const env = {
      LAYERMESH_ACTIVATIONS: 'f16',
      LAYERMESH_SPECULATION: 'off',
      LAYERMESH_PREFIX_CACHE_MB: '0',
    };
    system = await startSystem({ model: SMALL, mesh: 'direct', stages: 2, env });
  }, 120_000);
  afterAll(() => system.stop());

  it('carries a sequence over the mesh in two bytes a value', async () => {
    expect(await greedyTokens(system.url, PROMPT, COUNT)).toHaveLength(COUNT);
    const { serviceHttpPort } = system.members('stage-1')[0]!;
    const page = await fetch(`http://127.0.0.1:${serviceHttpPort}/metrics`);
    const received = new Scrape(await page.text()).total(
      'layermesh_stage_link_bytes_total',
      'direction="in"',
    );
    // Whatever came is of this sequence: its prompt, and all of its tokens but the last.
    expect(received).toBe((PROMPT.length + COUNT - 1) * SMALL_MODEL.hidden * 2);
  });

  it('computes a prompt anew each time, with the same answer', async () => {
    const prompt = smallPrompt(100);
    const ask = async (): Promise<Answer> => {
      const body = { prompt, max_tokens: 4, temperature: 0, ignore_eos: true, return_token_ids: true };
      return (await (await post(`${system.url}/v1/completions`, body)).json()) as Answer;
    };
    const answers = [await ask(), await ask()];
    expect(answers.map(({ usage }) => usage.prompt_tokens_details.cached_tokens)).toEqual([0, 0]);
    expect(answers[1]!.choices[0]!.token_ids).toEqual(answers[0]!.choices[0]!.token_ids);
  });
});

interface Answer {
  readonly choices: readonly { readonly token_ids: readonly number[] }[];
  readonly usage: { readonly prompt_tokens_details: { readonly cached_tokens: number } };
}
