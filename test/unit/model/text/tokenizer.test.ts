import { Tokenizer as Library } from '@huggingface/tokenizers';
import fc from 'fast-check';
import { tokenizerFromGguf } from '../../../../services/lib/model/gguf/tokenizer.js';
import { loadTokenizer } from '../../../../services/lib/model/text/tokenizer.js';
import { byteLevelMetadata, sentencePieceFixture, tokenizers } from './vocabularies.js';

const bare = { addSpecialTokens: false };

describe.each(tokenizers)('the %s tokenizer', (kind, tokenizer) => {
  it('gives back any text that it encoded', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 60 }), (text) => {
        expect(tokenizer.decode(tokenizer.encode(text, bare))).toBe(text);
      }),
    );
  });

  it('decodes as the library does', () => {
    const metadata = kind === 'byte-level' ? byteLevelMetadata() : sentencePieceFixture.metadata;
    const { tokenizer: file, tokenizerConfig } = tokenizerFromGguf(metadata);
    const library = new Library(file as object, tokenizerConfig);
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme', minLength: 1, maxLength: 40 }), (text) => {
        const ids = tokenizer.encode(text, { addSpecialTokens: true });
        expect(tokenizer.decode(ids)).toBe(library.decode(ids));
      }),
    );
  });

  it('accepts unpaired surrogates, which are no text', () => {
    expect(tokenizer.decode(tokenizer.encode('a\ud800b', bare))).toBe('a\ufffdb');
  });

  it('knows its tokens by id and by name', () => {
    fc.assert(
      fc.property(fc.nat(tokenizer.vocabularySize - 1), (id) => {
        expect(tokenizer.idOf(tokenizer.tokenOf(id)!)).toBe(id);
      }),
    );
    expect(tokenizer.tokenOf(tokenizer.vocabularySize)).toBeUndefined();
    expect(tokenizer.idOf('no such token')).toBeUndefined();
  });

  it('decodes nothing, and ids outside the vocabulary, to an empty text', () => {
    expect(tokenizer.decode([])).toBe('');
    expect(tokenizer.decode([tokenizer.vocabularySize, -1])).toBe('');
  });
});

describe('control tokens in a text', () => {
  const [, byteLevel] = tokenizers[0]!;
  const end = byteLevel.idOf('<|im_end|>')!;
  const user = byteLevel.idOf('<user-defined>')!;

  it('are tokens unless asked otherwise', () => {
    expect(byteLevel.encode('a<|im_end|>', bare)).toEqual([byteLevel.idOf('a'), end]);
    const plain = byteLevel.encode('a<|im_end|>', { ...bare, borders: 'everywhere' });
    expect(plain).not.toContain(end);
    expect(byteLevel.decode(plain)).toBe('a<|im_end|>');
  });

  it('are special; tokens that a user defined are text', () => {
    const ids = byteLevel.encode('a<|im_end|>b<user-defined>', bare);
    expect(byteLevel.decode(ids.filter((id) => !byteLevel.isSpecial(id)))).toBe('ab<user-defined>');
    expect(byteLevel.decode(ids)).toBe('a<|im_end|>b<user-defined>');
    expect([end, user].map((id) => byteLevel.isSpecial(id))).toEqual([true, false]);
  });

  it('that a user defined are tokens either way', () => {
    expect(byteLevel.encode('<user-defined>', { ...bare, borders: 'everywhere' })).toEqual([user]);
  });

  it('put around the text do not depend on parsing the text for them', () => {
    const tokenizer = loadTokenizer(
      tokenizerFromGguf(byteLevelMetadata({ 'tokenizer.ggml.add_bos_token': true })),
    );
    const ids = tokenizer.encode('<|start|>', { addSpecialTokens: true, borders: 'everywhere' });
    const start = tokenizer.idOf('<|start|>');
    expect(ids.filter((id) => id === start)).toHaveLength(1);
    expect(ids[0]).toBe(start);
  });
});

describe('sentencepiece itself', () => {
  const [, tokenizer] = tokenizers[1]!;

  it('gives the same ids and the same text', () => {
    const { cases } = sentencePieceFixture;
    expect(cases.length).toBeGreaterThan(100);
    for (const { text, ids, decoded } of cases) {
      expect([text, tokenizer.encode(text, bare)]).toEqual([text, ids]);
      expect(tokenizer.decode(ids)).toBe(decoded);
    }
  });
});

describe('a tokenizer.json', () => {
  const vocab = { a: 0, b: 1, ab: 2, C: 3, HTTP: 4, S: 5 };
  const load = (more: object, rows?: number) =>
    loadTokenizer({ tokenizer: { decoder: { type: 'Fuse' }, ...more }, tokenizerConfig: {} }, rows);

  it('needs no type of its model where it has merges, and no list of added tokens', () => {
    expect(load({ model: { vocab, merges: ['a b'] } }).encode('abba', bare)).toEqual([2, 1, 0]);
  });

  it('may have the name of what every object has as a token', () => {
    const model = '{"vocab":{"a":0,"__proto__":1,"constructor":2},"merges":[],"ignore_merges":true}';
    const tokenizer = load({ model: JSON.parse(model) as unknown });
    expect(['__proto__', 'constructor'].map((text) => tokenizer.encode(text, bare))).toEqual([[1], [2]]);
    expect(tokenizer.decode([1, 2])).toBe('__proto__constructor');
  });

  it('finds a token that is a whole word in no other word', () => {
    const added_tokens = [{ id: 4, content: 'HTTP', single_word: true, normalized: true, special: false }];
    const tokenizer = load({ model: { vocab, merges: [] }, added_tokens });
    expect(tokenizer.encode('CHTTPS', bare)).toEqual([3, 5]);
    expect(tokenizer.encode('C HTTP,S', bare)).toEqual([3, 4, 5]);
  });

  it('takes no longer than its length for a run of spaces, whatever is done about them', () => {
    const tokenizer = load({
      model: { vocab, merges: [] },
      normalizer: { type: 'Strip', strip_left: true, strip_right: true },
      added_tokens: [{ id: 6, content: '\n', special: true, rstrip: true }],
    });
    // Looked through once for each space in it, such a run would take minutes.
    const [spaces, lines] = [' '.repeat(300_000), '\n'.repeat(300_000)];
    expect(tokenizer.encode(`a${spaces}b${spaces}`, bare)).toEqual([0, 1]);
    expect(tokenizer.encode(`a${lines}b`, bare)).toHaveLength(300_002);
  });

  it('whose tokens outgrow the embedding refuses a text that has one', () => {
    const added_tokens = [{ id: 6, content: '<x>', special: true }];
    const tokenizer = load({ model: { vocab, merges: [] }, added_tokens }, 6);
    expect(tokenizer.encode('ab', bare)).toEqual([0, 1]);
    expect(() => tokenizer.encode('a<x>', bare)).toThrow(
      expect.objectContaining({
        code: 'invalid_value',
        message: 'the text has the token "<x>" with the id 6, and the model\'s embedding 6 rows',
      }) as Error,
    );
  });
});

describe('a tokenizer.json that cannot be served', () => {
  const file = tokenizerFromGguf(byteLevelMetadata());
  const load = (more: object) => () =>
    loadTokenizer({ ...file, tokenizer: { ...(file.tokenizer as object), ...more } });

  it.each([
    ['of another kind', { model: { type: 'Unigram', vocab: [] } }, 'model.type'],
    ['with another decoder', { decoder: { type: 'WordPiece' } }, 'WordPiece'],
    ['with a merge that is no pair', { model: { vocab: {}, merges: ['a'] } }, 'merges.0'],
    ['without its unknown token', { model: { vocab: {}, merges: [], unk_token: '?' } }, 'unk_token'],
    ['with an unknown normalizer', { normalizer: { type: 'Nmt' } }, 'Nmt'],
    ['with an unknown pre-tokenizer', { pre_tokenizer: { type: 'Odd' } }, 'Odd'],
  ])('%s is refused by name', (_, more, name) => {
    expect(load(more)).toThrow(
      expect.objectContaining({
        code: 'unsupported_tokenizer',
        message: expect.stringContaining(name) as string,
      }) as Error,
    );
  });
});
