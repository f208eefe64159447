import { startTestGateway, type TestGateway } from '../test-gateway.js';
import { tokensOf } from '../scripted-backend.js';

describe('what the prefix cache saved', () => {
  let gateway: TestGateway;
  beforeEach(async () => {
    gateway = await startTestGateway();
    gateway.backend.script = tokensOf(Buffer.from('answer'));
    gateway.backend.cachedTokens = 3;
  });
  afterEach(() => gateway.close());

  const request = { model: 'tester', prompt: ['abcd', 'efgh'], max_tokens: 2, n: 2 };
  const details = { prompt_tokens: 10, prompt_tokens_details: { cached_tokens: 6 } };

  test('is in the usage, once for each prompt', async () => {
    expect((await gateway.client.completions.create(request)).usage).toMatchObject(details);
  });

  test('is in the usage of a stream', async () => {
    const options = { stream: true, stream_options: { include_usage: true } } as const;
    const usages = [];
    for await (const chunk of await gateway.client.completions.create({ ...request, ...options }))
      usages.push(chunk.usage);
    expect(usages.at(-1)).toMatchObject(details);
  });

  test('is counted in tokens, for each choice', async () => {
    await gateway.client.completions.create(request);
    expect(await gateway.metric('layermesh_prefix_cache_queries_total')).toBe(20);
    expect(await gateway.metric('layermesh_prefix_cache_hits_total')).toBe(12);
  });
});
