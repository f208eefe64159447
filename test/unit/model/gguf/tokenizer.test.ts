import { tokenizerFromGguf } from '../../../../services/lib/model/gguf/tokenizer.js';
import { preTokenizers } from '../../../../services/lib/model/gguf/pre-tokenizers.js';
import { loadTokenizer, type Tokenizer } from '../../../../services/lib/model/text/tokenizer.js';
import { byteLevelMetadata, sentencePieceFixture } from '../text/vocabularies.js';

const load = (metadata: Record<string, unknown>): Tokenizer => loadTokenizer(tokenizerFromGguf(metadata));
const tokensOf = (tokenizer: Tokenizer, text: string): (string | undefined)[] =>
  tokenizer.encode(text, { addSpecialTokens: false }).map((id) => tokenizer.tokenOf(id));

describe('a byte-level vocabulary', () => {
  it('has its words cut by the pre-tokenizer that the file names', () => {
    const words = (pre: string) =>
      tokensOf(load(byteLevelMetadata({ 'tokenizer.ggml.pre': pre })), '1234 the');
    expect(words('gpt-2')).toEqual(['1234', 'Ġthe']);
    expect(words('llama-bpe')).toEqual(['123', '4', 'Ġthe']);
    expect(words('smollm')).toEqual(['1', '2', '3', '4', 'Ġthe']);
    expect(words('qwen2')).toEqual(['1', '2', '3', '4', 'Ġthe']);
  });

  it('without a named pre-tokenizer uses the oldest one', () => {
    const metadata = byteLevelMetadata({ 'tokenizer.ggml.pre': undefined });
    expect(tokensOf(load(metadata), '$1234')).toEqual(['$', '123', '4']);
  });

  it.each([...preTokenizers.keys()])('loses no character with the pre-tokenizer %s', (pre) => {
    const tokenizer = load(byteLevelMetadata({ 'tokenizer.ggml.pre': pre }));
    const text =
      "It's 12345 o'CLOCK,\r\n\r\n  naïve Ünïcödé camelCase\t你好 こんにちは 한글 $x=`y`;  \n (!?) 👋🏽 ";
    const ids = tokenizer.encode(text, { addSpecialTokens: false });
    expect(tokenizer.decode(ids)).toBe(text);
  });

  it('takes a word that is a token whole where the pre-tokenizer ignores merges', () => {
    const tokens = byteLevelMetadata()['tokenizer.ggml.tokens'] as string[];
    const types = byteLevelMetadata()['tokenizer.ggml.token_type'] as number[];
    const words = (pre: string) =>
      tokensOf(
        load(
          byteLevelMetadata({
            'tokenizer.ggml.pre': pre,
            'tokenizer.ggml.tokens': [...tokens, 'cat'],
            'tokenizer.ggml.token_type': [...types, 1],
          }),
        ),
        'cat',
      );
    expect(words('llama-bpe')).toEqual(['cat']);
    expect(words('gpt-2')).toEqual(['c', 'a', 't']);
  });

  it('starts with BOS as the file says, else as its family does', () => {
    const first = (more: Record<string, unknown>) =>
      load(byteLevelMetadata(more)).encode('a', { addSpecialTokens: true })[0];
    expect(first({ 'tokenizer.ggml.pre': 'llama-bpe' })).toBe(0);
    expect(first({ 'tokenizer.ggml.pre': 'gpt-2' })).not.toBe(0);
    expect(first({ 'tokenizer.ggml.pre': 'gpt-2', 'tokenizer.ggml.add_bos_token': true })).toBe(0);
    expect(first({ 'tokenizer.ggml.pre': 'llama-bpe', 'tokenizer.ggml.add_bos_token': false })).not.toBe(0);
  });

  it('ends with EOS where the file says so', () => {
    const tokenizer = load(byteLevelMetadata({ 'tokenizer.ggml.add_eos_token': true }));
    expect(tokenizer.encode('', { addSpecialTokens: true })).toEqual([0]);
    expect(tokenizer.encode('', { addSpecialTokens: false })).toEqual([]);
  });

  it('ends turns with the EOS token and with tokens known to end a turn', () => {
    const text = tokenizerFromGguf(byteLevelMetadata());
    expect(text.bosId).toBe(0);
    expect(text.eosIds).toEqual([0, 1]);
  });

  it('carries the chat template and the special tokens by name', () => {
    const metadata = byteLevelMetadata({ 'tokenizer.chat_template': '{{ messages }}' });
    expect(tokenizerFromGguf(metadata).tokenizerConfig).toMatchObject({
      chat_template: '{{ messages }}',
      bos_token: '<|start|>',
      eos_token: '<|start|>',
    });
  });

  it('keeps tokens apart that have no text', () => {
    const tokens = [...(byteLevelMetadata()['tokenizer.ggml.tokens'] as string[]), '', ''];
    const types = [...(byteLevelMetadata()['tokenizer.ggml.token_type'] as number[]), 5, 5];
    const metadata = byteLevelMetadata({
      'tokenizer.ggml.tokens': tokens,
      'tokenizer.ggml.token_type': types,
    });
    expect(load(metadata).vocabularySize).toBe(tokens.length);
  });
});

describe('a SentencePiece vocabulary', () => {
  const { metadata } = sentencePieceFixture;

  it('puts a space before a text unless the file says not to', () => {
    expect(tokensOf(load(metadata), 'the')).toEqual(['▁the']);
    const bare = load({ ...metadata, 'tokenizer.ggml.add_space_prefix': false });
    expect(tokensOf(bare, 'the')).toEqual(['th', 'e']);
    expect(bare.decode(bare.encode(' the', { addSpecialTokens: false }))).toBe(' the');
  });

  it('starts with BOS, by default the token 1', () => {
    const bare = {
      ...metadata,
      'tokenizer.ggml.add_bos_token': undefined,
      'tokenizer.ggml.bos_token_id': undefined,
    };
    expect(load(bare).encode('the', { addSpecialTokens: true })[0]).toBe(1);
  });
});

describe('a vocabulary that cannot be served', () => {
  const codeOf = (metadata: Record<string, unknown>) => {
    try {
      tokenizerFromGguf(metadata);
    } catch (error) {
      return error;
    }
    return undefined;
  };

  it('of another kind is refused by name', () => {
    expect(codeOf(byteLevelMetadata({ 'tokenizer.ggml.model': 'bert' }))).toMatchObject({
      code: 'unsupported_tokenizer',
      message: expect.stringContaining('"bert"') as string,
    });
  });

  it.each(['no-such-one', 'constructor'])('with the unknown pre-tokenizer %s is refused by name', (pre) => {
    expect(codeOf(byteLevelMetadata({ 'tokenizer.ggml.pre': pre }))).toMatchObject({
      code: 'unsupported_tokenizer',
      message: expect.stringContaining(`"${pre}"`) as string,
    });
  });

  it.each([
    ['no vocabulary', {}],
    ['no merges', byteLevelMetadata({ 'tokenizer.ggml.merges': undefined })],
    ['no scores', { ...sentencePieceFixture.metadata, 'tokenizer.ggml.scores': undefined }],
    ['too few scores', { ...sentencePieceFixture.metadata, 'tokenizer.ggml.scores': [0] }],
    ['too few types', byteLevelMetadata({ 'tokenizer.ggml.token_type': [3] })],
    ['a token that comes twice', byteLevelMetadata({ 'tokenizer.ggml.tokens': ['a', 'b', 'a'] })],
    ['tokens that are no strings', byteLevelMetadata({ 'tokenizer.ggml.tokens': [1, 2] })],
  ])('with %s is refused as a broken file', (_, metadata) => {
    expect(codeOf(metadata)).toMatchObject({ code: 'checkpoint_invalid' });
  });
});
