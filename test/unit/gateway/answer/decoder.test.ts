import fc from 'fast-check';
import type { Choice } from '../../../../services/gateway/answer/choice.js';
import { ChoiceDecoder, type Piece } from '../../../../services/gateway/answer/decoder.js';
import { neutral } from '../../../support/sampling.js';
import { byteTokenizer, EOS, say } from '../byte-text.js';

function choice(changes: Partial<Choice> & { minTokens?: number }): Choice {
  const { minTokens = 0, ...rest } = changes;
  return {
    index: 0,
    prompt: [],
    maxTokens: 1000,
    stop: [],
    includeStop: false,
    showSpecial: false,
    calls: null,
    sampling: { ...neutral, minTokens, stopIds: [EOS] },
    ...rest,
  };
}

/** In steps of so many tokens. */
function decode(tokens: readonly number[], of: Choice, step = 1): Piece[] {
  const decoder = new ChoiceDecoder(of, byteTokenizer);
  const pieces: Piece[] = [];
  for (let from = 0; from < tokens.length; from += step) {
    pieces.push(decoder.push({ tokens: tokens.slice(from, from + step) }));
    if (pieces.at(-1)!.finishReason !== null) break;
  }
  return pieces;
}

const textOf = (pieces: readonly Piece[]): string => pieces.map(({ text }) => text).join('');

describe('decoding a choice', () => {
  test('gives back any text, whole characters only', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme', minLength: 1, maxLength: 40 }), (text) => {
        const pieces = decode(say(text), choice({}));
        expect(textOf(pieces)).toBe(text);
        expect(pieces.some((piece) => /\p{Surrogate}/u.test(piece.text))).toBe(false);
        expect(pieces.at(-1)).toMatchObject({ tokens: [EOS], finishReason: 'stop' });
      }),
    );
  });

  test('shows what it held back when the length ends it', () => {
    const pieces = decode(say('abcd'), choice({ maxTokens: 3, stop: ['cd'] }));
    expect(textOf(pieces)).toBe('abc');
    expect(pieces.map(({ finishReason }) => finishReason)).toEqual([null, null, 'length']);
  });

  test('shows a broken character as such when the length cuts it', () => {
    expect(textOf(decode(say('a\u2603'), choice({ maxTokens: 3 })))).toBe('a\ufffd');
  });

  test('finds a stop string in the last token before the length', () => {
    expect(decode(say('ab'), choice({ maxTokens: 2, stop: ['b'] })).at(-1)).toMatchObject({
      finishReason: 'stop',
    });
  });

  test('says the same whatever comes together', () => {
    const ends: Partial<Choice>[] = [{ maxTokens: 7 }, { stop: ['d.'] }, {}];
    const tokens = [...say('a.b.c.d.e'), ...say('what a draft went on with')];
    for (const end of ends) {
      const oneByOne = decode(tokens, choice(end));
      for (const step of [2, 3, 5, tokens.length]) {
        const together = decode(tokens, choice(end), step);
        expect(textOf(together)).toBe(textOf(oneByOne));
        expect(together.flatMap((piece) => piece.tokens)).toEqual(oneByOne.flatMap((piece) => piece.tokens));
        expect(together.at(-1)!.finishReason).toBe(oneByOne.at(-1)!.finishReason);
      }
    }
  });

  test('stops at a special token that is a stop string', () => {
    const ends = { sampling: { ...choice({}).sampling, stopIds: [] }, stop: ['</s>'] };
    const tokens = [...say('ab'), ...say('cd')];
    expect(decode(tokens, choice(ends)).at(-1)).toMatchObject({ tokens: [EOS], finishReason: 'stop' });
    expect(textOf(decode(tokens, choice(ends)))).toBe('ab');
    expect(textOf(decode(tokens, choice({ ...ends, includeStop: true })))).toBe('ab</s>');
    const late = { ...ends, sampling: { ...ends.sampling, minTokens: 4 } };
    expect(textOf(decode(tokens, choice(late)))).toBe('abcd');
  });

  test('ends with the last token where the grammar does, and shows it', () => {
    for (const maxTokens of [2, 9]) {
      const decoder = new ChoiceDecoder(choice({ maxTokens, stop: ['b?'] }), byteTokenizer);
      const piece = decoder.push({ tokens: [...Buffer.from('ab')], ended: true });
      expect(piece).toEqual({ tokens: [97, 98], text: 'ab', finishReason: 'stop' });
    }
  });

  test('keeps the log probabilities of the tokens that belong to the answer', () => {
    const logprobs = [1, 2, 3].map((rank) => ({ logprob: -rank, rank, ids: [], values: [] }));
    const decoder = new ChoiceDecoder(choice({}), byteTokenizer);
    const piece = decoder.push({ tokens: [97, EOS, 98], logprobs });
    expect(piece).toMatchObject({ tokens: [97, EOS], logprobs: logprobs.slice(0, 2) });
  });

  test('looks for stop strings only after min_tokens', () => {
    expect(textOf(decode(say('a.b.c'), choice({ minTokens: 2, stop: ['.'] })))).toBe('a.b');
  });
});
