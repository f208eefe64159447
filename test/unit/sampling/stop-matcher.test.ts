import fc from 'fast-check';
import { StopMatcher } from '../../../services/lib/sampling/stop-matcher.js';

/** The whole text at once: the occurrence that ends first, of those the one that begins first. */
function plainStop(text: string, stops: readonly string[], include: boolean): string {
  const found = stops
    .map((stop) => ({ start: text.indexOf(stop), length: stop.length }))
    .filter(({ start }) => start >= 0)
    .sort((a, b) => a.start + a.length - (b.start + b.length) || a.start - b.start)[0];
  if (found === undefined) return text;
  return text.slice(0, include ? found.start + found.length : found.start);
}

function stream(pieces: readonly string[], matcher: StopMatcher): string[] {
  const shown: string[] = [];
  for (const piece of pieces) {
    const { text, stopped } = matcher.push(piece);
    shown.push(text);
    if (stopped) return shown;
  }
  return [...shown, matcher.flush()];
}

/** Two letters, so that stop strings overlap, repeat and nearly match. */
const word = fc.string({ unit: fc.constantFrom('a', 'b'), minLength: 1, maxLength: 6 });
const anyStops = fc.array(word, { maxLength: 4 });
const anyPieces = fc.array(fc.string({ unit: fc.constantFrom('a', 'b'), maxLength: 5 }), { maxLength: 12 });

describe('stop strings', () => {
  test('end the text where a search of the whole text would, however it is cut into pieces', () => {
    fc.assert(
      fc.property(anyStops, anyPieces, fc.boolean(), (stops, pieces, include) => {
        const shown = stream(pieces, new StopMatcher(stops, include)).join('');
        expect(shown).toBe(plainStop(pieces.join(''), stops, include));
      }),
      { numRuns: 2000 },
    );
  });

  test('hold back no more than they must: what is not the beginning of one comes at once', () => {
    fc.assert(
      fc.property(anyStops, anyPieces, (stops, pieces) => {
        const matcher = new StopMatcher(stops);
        let [given, shown] = ['', ''];
        for (const piece of pieces) {
          const result = matcher.push(piece);
          if (result.stopped) return;
          given += piece;
          shown += result.text;
          const held = given.slice(shown.length);
          expect(held === '' || stops.some((stop) => stop.startsWith(held))).toBe(true);
        }
      }),
    );
  });

  test('need not be ASCII', () => {
    expect(stream(['snow ', '\u2603', ' man', '\u{1f600}!'], new StopMatcher(['\u{1f600}'])).join('')).toBe(
      'snow \u2603 man',
    );
  });
});
