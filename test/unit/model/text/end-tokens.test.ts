import { endTokens } from '../../../../services/lib/model/text/end-tokens.js';
import { tokenizerFromGguf } from '../../../../services/lib/model/gguf/tokenizer.js';
import { byteLevelMetadata } from './vocabularies.js';

const added = (content: string, id: number, special = true) => ({ id, content, special });

const TOKENS = [
  added('<s>', 0),
  added('<|user|>', 1),
  added('<|assistant|>', 2),
  added('<|stop|>', 3),
  added('<|stop|>|>', 4),
  added('<tool>', 5, false),
];

/** Ends of a tokenizer with the tokens above and some more. */
const endsOf = (
  tokenizerConfig: Record<string, unknown>,
  {
    named = [],
    supposed = [],
    tokens = [],
  }: Partial<Record<'named' | 'supposed', number[]>> & {
    tokens?: object[];
  } = {},
): number[] =>
  endTokens({ named, supposed, tokenizer: { added_tokens: [...TOKENS, ...tokens] }, tokenizerConfig });

const endsOfTemplate = (chat_template: unknown): number[] =>
  endsOf({ chat_template, bos_token: '<s>', eos_token: undefined });

describe('the end of an answer', () => {
  it('is every token that the checkpoint names by its id', () => {
    expect(endsOf({}, { named: [7, 8, 7] })).toEqual([7, 8]);
  });

  it('is a supposed token only where that is a control token', () => {
    expect(endsOf({}, { named: [7], supposed: [3, 5, 99] })).toEqual([7, 3]);
  });

  it.each(['<|stop|>', { content: '<|stop|>', lstrip: false, __type: 'AddedToken' }])(
    'is the eos_token %j',
    (eos_token) => {
      expect(endsOf({ eos_token })).toEqual([3]);
    },
  );

  it.each(['no token', null, 7, {}])('is not the eos_token %j', (eos_token) => {
    expect(endsOf({ eos_token })).toEqual([]);
  });

  it('is a control token whose text always means it', () => {
    const tokens = [added('<|eot_id|>', 10), added('<end_of_turn>', 11), added('[EOS]', 12)];
    expect(endsOf({}, { tokens })).toEqual([10, 11, 12]);
    expect(endsOf({}, { tokens: [added('</s>', 10, false)] })).toEqual([]);
  });

  it("is each that a GGUF's keys name", () => {
    const ids = { 'tokenizer.ggml.eot_token_id': 5, 'tokenizer.ggml.eom_token_id': 6 };
    expect(tokenizerFromGguf(byteLevelMetadata(ids)).eosIds).toEqual([0, 5, 6, 1]);
  });

  it.each([NaN, {}, { added_tokens: 7 }])('is what is named where the tokenizer is %j', (tokenizer) => {
    expect(endTokens({ named: [1], tokenizer, tokenizerConfig: {} })).toEqual([1]);
  });
});

describe('the end of a turn in a chat template', () => {
  const turns = (before: string, after: string) =>
    `{{ bos_token }}{% for m in messages %}${before}{{ m.content }}${after}{% endfor %}`;

  it('is the token after an answer, the longest that fits', () => {
    expect(endsOfTemplate(turns('<|{{ m.role }}|>\n', '<|stop|>\n'))).toEqual([3]);
    expect(endsOfTemplate(turns('<|{{ m.role }}|>', '\n<|stop|>|>'))).toEqual([4]);
    expect(endsOfTemplate([{ name: 'default', template: turns('', '<|stop|>') }])).toEqual([3]);
  });

  it('is one after answers alone', () => {
    const template = turns('<|{{ m.role }}|>', "{% if m.role == 'assistant' %}<|stop|>{% endif %}");
    expect(endsOfTemplate(template)).toEqual([3]);
  });

  it.each([
    ['opens the next turn', turns('<|{{ m.role }}|>', '')],
    ['opens every turn', `${turns('<|user|>', '')}<|user|>`],
    ['opens an answer, though none is asked for', `${turns('<|{{ m.role }}|>', '')}<|assistant|>`],
    ['is the beginning of each text', turns('', '<s>')],
    ['comes after words', turns('', ' end <|stop|>')],
  ])('is not a token that %s', (_, template) => {
    expect(endsOfTemplate(template)).toEqual([]);
  });

  it.each([
    ['fails', "{{ raise_exception('no') }}"],
    ['is none', '{% for m in %}'],
    ['shows no answer', '<|stop|>'],
    ['never ends', '{% for i in range(100000000) %}<|stop|>{% endfor %}'],
  ])('is unknown where the template %s', (_, template) => {
    const started = performance.now();
    expect(endsOfTemplate(template)).toEqual([]);
    expect(performance.now() - started).toBeLessThan(20_000);
  });
});
