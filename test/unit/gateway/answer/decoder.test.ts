import fc from 'fast-check';
import type { Choice } from '../../../../services/gateway/answer/choice.js';
import { ChoiceDecoder, type Piece } from '../../../../services/gateway/answer/decoder.js';
import { neutral } from '../../../support/sampling.js';
import { BOS, byteTokenizer, EOS, say } from '../byte-text.js';

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

  test('shows control tokens that begin calls where a grammar takes them for text', () => {
    const marked = { ...byteTokenizer, idOf: (token: string) => (token === '[ARGS]' ? BOS : undefined) };
    const shown = (constraint: Choice['sampling']['constraint']): string => {
      const sampling = { ...choice({}).sampling, constraint };
      const decoder = new ChoiceDecoder(choice({ sampling }), marked);
      return decoder.push({ tokens: [97, BOS, 98, EOS] }).text;
    };
    expect([shown(null), shown({ source: '', digest: '', endIds: [] })]).toEqual(['ab', 'a<s>b']);
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

  describe('tells of tokens', () => {
    const rated = { sampling: { ...choice({}).sampling, logprobs: 1 } };
    const told = (id: number) => ({ logprob: -id / 1000, rank: 1, ids: [id], values: [-id / 1000] });
    const run = (text: string, of: Partial<Choice>, step = 1): Piece[] => {
      const decoder = new ChoiceDecoder(choice({ ...rated, ...of }), byteTokenizer);
      const tokens = say(text);
      const pieces: Piece[] = [];
      for (let from = 0; from < tokens.length && pieces.at(-1)?.finishReason !== 'stop'; from += step) {
        const some = tokens.slice(from, from + step);
        pieces.push(decoder.push({ tokens: some, logprobs: some.map(told) }));
      }
      return pieces;
    };
    const idsOf = (pieces: readonly Piece[]) =>
      pieces.flatMap(({ logprobs }) => logprobs!.map(({ id }) => id));

    test.each([1, 3, 50])('of all that is shown, and of the token that ends it, in steps of %d', (step) => {
      const pieces = run('a\u2603b', {}, step);
      expect(idsOf(pieces)).toEqual(say('a\u2603b'));
      expect(pieces.flatMap(({ logprobs }) => logprobs!.map(({ offset }) => offset))).toEqual([
        0, 1, 1, 1, 2, 3,
      ]);
      expect(pieces.flatMap(({ logprobs }) => logprobs!.map(({ text }) => text))).toEqual([
        'a',
        'bytes:\\xe2',
        'bytes:\\x98',
        'bytes:\\x83',
        'b',
        '</s>',
      ]);
    });

    test.each([1, 2, 50])(
      'of none that a stop string cuts off, not even in pieces, in steps of %d',
      (step) => {
        const pieces = run('ab. cd.e', { stop: ['d.'] }, step);
        expect(idsOf(pieces)).toEqual([...Buffer.from('ab. c')]);
        expect(idsOf(run('ab. cd.e', { stop: ['d.'], includeStop: true }, step))).toEqual([
          ...Buffer.from('ab. cd.'),
        ]);
        expect(idsOf(run('ab', { stop: ['</s>'] }, step))).toEqual([...Buffer.from('ab')]);
        // Nobody is told of what may yet be cut off.
        let text = '';
        let count = 0;
        for (const piece of pieces) {
          text += piece.text;
          count += piece.logprobs!.length;
          expect(count).toBe(text.length);
        }
      },
    );

    test('of the prompt, where it is shown, and where it is told of apart', () => {
      const prompt = [BOS, ...Buffer.from('hi'), EOS];
      const scored = { from: 1, logprobs: prompt.slice(1).map(told) };
      const push = (of: Partial<Choice>): Piece =>
        new ChoiceDecoder(choice({ ...rated, prompt, stop: ['h'], ...of }), byteTokenizer).push({
          tokens: [97],
          logprobs: [told(97)],
          scored,
        });
      const before = push({ echo: 'before' });
      expect([before.text, idsOf([before])]).toEqual(['hia', [...prompt, 97]]);
      expect(before.logprobs!.map(({ offset }) => offset)).toEqual([0, 0, 1, 2, 2]);
      expect(before.logprobs!.map(({ rating }) => rating?.logprob ?? null)).toEqual([
        null,
        -0.104,
        -0.105,
        -0.257,
        -0.097,
      ]);
      const alone = push({ echo: 'alone' });
      expect(alone).toMatchObject({ text: 'hi', tokens: [], finishReason: 'length' });
      expect(idsOf([alone])).toEqual(prompt);
      const apart = push({ promptLogprobs: 0 });
      expect([apart.text, idsOf([apart]), apart.promptLogprobs!.map(({ id }) => id)]).toEqual([
        'a',
        [97],
        prompt,
      ]);
      expect(apart.promptLogprobs!.every(({ top }) => top.length === 0)).toBe(true);
    });
  });

  test('looks for stop strings only after min_tokens', () => {
    expect(textOf(decode(say('a.b.c'), choice({ minTokens: 2, stop: ['.'] })))).toBe('a.b');
  });
});
