const PATH = '/v1/completions';
const CHAT = '/v1/chat/completions';
const messages = [{ role: 'user', content: 'Hello' }];

/** Deeper than JSON is meant to be. */
const brackets = `${'['.repeat(100_000)}${']'.repeat(100_000)}`;

/** Paths and bodies that can not be served, each for a reason of its own. */
export const BAD_REQUESTS: readonly (readonly [path: string, body: string | object])[] = [
  [PATH, ''],
  [PATH, '{"prompt": "a'],
  [PATH, '[]'],
  [PATH, 'null'],
  [PATH, { prompt: [1, 2, 999_999_999] }],
  [PATH, { prompt: [1, -2] }],
  [PATH, { prompt: [1.5] }],
  [PATH, { prompt: [2 ** 53] }],
  [PATH, { prompt: 'a', max_tokens: -1 }],
  [PATH, { prompt: 'a', max_tokens: 1e9 }],
  [PATH, { prompt: 'a', temperature: 1e308 }],
  [PATH, { prompt: 'a', n: 1e6 }],
  [PATH, { prompt: 'a', logit_bias: { 999999999: 5 } }],
  [PATH, { prompt: 'a', stop: Array<string>(1_000).fill('b') }],
  [CHAT, { messages: [] }],
  [CHAT, { messages: [{ role: 'nobody', content: 'a' }] }],
  [CHAT, { messages: 'a' }],
  [CHAT, { messages, model: 'another' }],
  [CHAT, `{"messages": ${JSON.stringify(messages)}, "modalities": ${brackets}}`],
  ['/tokenize', { prompt: 5 }],
  ['/detokenize', { tokens: [999_999_999] }],
  ['/v1/nothing', {}],
];
