import fc from 'fast-check';
import { compiled, takes, walk } from '../../support/grammar.js';
import { schemaCases, validator } from '../../support/random-schemas.js';

/** Every case of fast-check, seeded so that a failure is found again. */
const RUNS = { numRuns: 300, seed: 20 };
const constraintOf = (schema: unknown) => compiled({ kind: 'json_schema', schema });

/** Numbers in [0, 1) of a seed. */
function randomOf(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state * 1_103_515_245 + 12_345) % 2 ** 31;
    return state / 2 ** 31;
  };
}

describe('random schemas', () => {
  it('let only valid values through, whatever a model likes', () => {
    let ended = 0;
    fc.assert(
      fc.property(schemaCases, fc.nat(), ({ schema }, seed) => {
        const { text, ended: whole } = walk(constraintOf(schema).matcher(), randomOf(seed));
        if (!whole) return;
        ended += 1;
        const value: unknown = JSON.parse(text);
        if (!validator(schema)(value)) throw new Error(`${text} is not as ${JSON.stringify(schema)} says`);
      }),
      { ...RUNS, numRuns: 400 },
    );
    expect(ended).toBeGreaterThanOrEqual(300);
  });

  it('let every valid value through, compact and with spaces', () => {
    const cases = schemaCases.chain(({ schema, instance }) => instance.map((value) => ({ schema, value })));
    fc.assert(
      fc.property(cases, ({ schema, value }) => {
        expect(validator(schema)(value)).toBe(true);
        const constraint = constraintOf(schema);
        for (const text of [JSON.stringify(value), spaced(value)]) {
          if (!takes(constraint, text)) throw new Error(`${text} is as ${JSON.stringify(schema)} says`);
        }
      }),
      RUNS,
    );
  });

  it('let nothing through that is changed so that it is wrong', () => {
    const cases = schemaCases.chain(({ schema, instance }) =>
      fc
        .tuple(instance, fc.nat(), fc.constantFrom(...Array.from('x"0-9.,:{}[]\\ntrue é🙂')))
        .map(([value, at, character]) => ({ schema, text: JSON.stringify(value), at, character })),
    );
    let wrong = 0;
    fc.assert(
      fc.property(cases, ({ schema, text, at, character }) => {
        const constraint = constraintOf(schema);
        const isRight = validator(schema);
        const characters = Array.from(text);
        const index = at % characters.length;
        const changed = [
          characters.toSpliced(index, 1),
          characters.toSpliced(index, 1, character),
          characters.toSpliced(index, 0, character),
          characters.slice(0, index),
        ].map((each) => each.join(''));
        for (const each of changed) {
          if (isValid(each, isRight)) continue;
          wrong += 1;
          if (takes(constraint, each)) throw new Error(`${each} is not as ${JSON.stringify(schema)} says`);
        }
      }),
      RUNS,
    );
    expect(wrong).toBeGreaterThan(500);
  });
});

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
