import fc from 'fast-check';
import { compiled, randomOf, takes, walk } from '../../support/grammar.js';
import { schemaCases, validator } from '../../support/random-schemas.js';

const CHARACTERS = Array.from('x"0-9.,:{}[]\\ntrue é🙂');

/** A schema, values of it, how they are changed, and the likings of models that walk through it. */
const anyCase = schemaCases.chain(({ schema, instance }) =>
  fc.record({
    schema: fc.constant(schema),
    values: fc.tuple(instance, instance),
    seeds: fc.tuple(fc.nat(), fc.nat()),
    change: fc.record({ at: fc.nat(), character: fc.constantFrom(...CHARACTERS) }),
  }),
);

/** Seeded, so that a failure is found again; each is compiled once for all that is asked of it. */
const cases = fc.sample(anyCase, { numRuns: 200, seed: 20 }).map((each) => ({
  ...each,
  constraint: compiled({ kind: 'json_schema', schema: each.schema }),
  isRight: validator(each.schema),
}));

describe('random schemas', () => {
  it('let only valid values through, whatever a model likes', () => {
    let ended = 0;
    for (const { schema, seeds, constraint, isRight } of cases) {
      for (const seed of seeds) {
        const { text, ended: whole } = walk(constraint.matcher(), randomOf(seed));
        if (!whole) continue;
        ended += 1;
        if (!isRight(JSON.parse(text))) throw new Error(`${text} is not as ${JSON.stringify(schema)} says`);
      }
    }
    expect(ended).toBeGreaterThanOrEqual(300);
  });

  it('let every valid value through, compact and with spaces', () => {
    for (const { schema, values, constraint, isRight } of cases) {
      for (const value of values) {
        expect(isRight(value)).toBe(true);
        for (const text of [JSON.stringify(value), spaced(value)]) {
          if (!takes(constraint, text)) throw new Error(`${text} is as ${JSON.stringify(schema)} says`);
        }
      }
    }
  });

  it('let nothing through that is changed so that it is wrong', () => {
    let wrong = 0;
    for (const { schema, values, change, constraint, isRight } of cases) {
      for (const text of values.flatMap((value) => changed(JSON.stringify(value), change))) {
        if (isValid(text, isRight)) continue;
        wrong += 1;
        if (takes(constraint, text)) throw new Error(`${text} is not as ${JSON.stringify(schema)} says`);
      }
    }
    expect(wrong).toBeGreaterThan(500);
  });
});

/** Without a character, with another one in its place, with one more, and cut off there. */
function changed(
  text: string,
  { at, character }: { readonly at: number; readonly character: string },
): string[] {
  const characters = Array.from(text);
  const index = at % characters.length;
  return [
    characters.toSpliced(index, 1),
    characters.toSpliced(index, 1, character),
    characters.toSpliced(index, 0, character),
    characters.slice(0, index),
  ].map((each) => each.join(''));
}

function isValid(text: string, isRight: (value: unknown) => boolean): boolean {
  try {
    return isRight(JSON.parse(text));
  } catch {
    return false;
  }
}

/** As Python's json.dumps writes it. */
function spaced(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(spaced).join(', ')}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  return `{${Object.entries(value)
    .map(([key, inner]) => `${JSON.stringify(key)}: ${spaced(inner)}`)
    .join(', ')}}`;
}
