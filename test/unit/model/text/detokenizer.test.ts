import fc from 'fast-check';
import { StreamingDetokenizer } from '../../../../services/lib/model/text/detokenizer.js';
import type { Tokenizer } from '../../../../services/lib/model/text/tokenizer.js';
import { tokenizers } from './vocabularies.js';

const bare = { addSpecialTokens: false };

function pieces(tokenizer: Tokenizer, ids: readonly number[]): string[] {
  const detokenizer = new StreamingDetokenizer(tokenizer);
  return [...ids.map((id) => detokenizer.push(id)), detokenizer.flush()];
}

describe.each(tokenizers)('streaming from the %s tokenizer', (_, tokenizer) => {
  const anyIds = fc.array(fc.nat(tokenizer.vocabularySize - 1), { maxLength: 60 });

  it('joins to the decoding of all tokens but control tokens, whatever they are', () => {
    fc.assert(
      fc.property(anyIds, (ids) => {
        const text = tokenizer.decode(ids.filter((id) => !tokenizer.isSpecial(id)));
        expect(pieces(tokenizer, ids).join('')).toBe(text);
      }),
    );
  });

  it('never shows part of a character', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 40 }), (text) => {
        const shown = pieces(tokenizer, tokenizer.encode(text.replaceAll('\ufffd', ''), bare));
        expect(shown.join('')).toBe(text.replaceAll('\ufffd', ''));
        for (const piece of shown) {
          expect(piece).not.toContain('\ufffd');
          expect(Buffer.from(piece).toString()).toBe(piece);
        }
      }),
    );
  });

  it('goes on from a prompt as if it had streamed the prompt too', () => {
    fc.assert(
      fc.property(anyIds, anyIds, (prompt, ids) => {
        const continued = new StreamingDetokenizer(tokenizer, { prompt });
        const fromStart = new StreamingDetokenizer(tokenizer);
        for (const id of prompt) fromStart.push(id);
        for (const id of ids) expect(continued.push(id)).toBe(fromStart.push(id));
        expect(continued.flush()).toBe(fromStart.flush());
      }),
    );
  });

  it('shows the control tokens that it is told to', () => {
    fc.assert(
      fc.property(anyIds, (ids) => {
        const all = new StreamingDetokenizer(tokenizer, { shows: () => true });
        expect(ids.map((id) => all.push(id)).join('') + all.flush()).toBe(tokenizer.decode(ids));
      }),
    );
  });

  it('skips control tokens', () => {
    const special = Array.from({ length: tokenizer.vocabularySize }, (_, id) => id).find((id) =>
      tokenizer.isSpecial(id),
    )!;
    expect(pieces(tokenizer, [special]).join('')).toBe('');
    expect(tokenizer.decode([special])).toBe(tokenizer.tokenOf(special));
  });
});

describe('a character of several tokens', () => {
  const [, byteLevel] = tokenizers[0]!;

  it('comes out with its last token', () => {
    const [first, last] = byteLevel.encode('😀', bare).map((id) => byteLevel.tokenOf(id));
    expect([first, last]).toEqual(['ðŁĺ', 'Ģ']);
    expect(pieces(byteLevel, byteLevel.encode('😀!', bare))).toEqual(['', '😀', '!', '']);
  });

  it('that is never finished comes out as a replacement character', () => {
    expect(pieces(byteLevel, byteLevel.encode('😀', bare).slice(0, 1))).toEqual(['', '\ufffd']);
  });

  it('that cannot become one is not waited for', () => {
    const invalid = byteLevel.idOf('ÿ')!;
    expect(byteLevel.bytesOf(invalid)).toEqual(Uint8Array.of(0xff));
    expect(pieces(byteLevel, Array<number>(5).fill(invalid))).toEqual([
      ...Array<string>(5).fill('\ufffd'),
      '',
    ]);
  });
});

describe('the space that SentencePiece puts before a text', () => {
  const [, sentencePiece] = tokenizers[1]!;
  const the = sentencePiece.idOf('▁the')!;
  const space = sentencePiece.idOf('▁')!;

  it('is dropped at the start of the text only', () => {
    expect(pieces(sentencePiece, [the, the])).toEqual(['the', ' the', '']);
    expect(pieces(sentencePiece, [space, the])).toEqual(['', ' the', '']);
  });

  it('is kept after a prompt, unless all of the prompt is control tokens', () => {
    expect(new StreamingDetokenizer(sentencePiece, { prompt: [the] }).push(the)).toBe(' the');
    const control = new StreamingDetokenizer(sentencePiece, { prompt: [sentencePiece.idOf('<s>')!] });
    expect(control.push(the)).toBe('the');
  });
});
