import { fitContext, type OutputLimits } from '../../../services/lib/openai/fit-context.js';
import { thrownBy } from '../../support/thrown-by.js';

const prompt = (length: number): number[] => Array.from({ length }, (_, id) => id);

describe('fitting an answer into the context', () => {
  const limits: OutputLimits = {
    requested: null,
    fallback: 16,
    minTokens: 0,
    policy: 'clamp',
    truncatePrompt: null,
  };
  const fit = (promptTokens: number, changes: Partial<OutputLimits> = {}) =>
    fitContext(prompt(promptTokens), { ...limits, ...changes }, 100, 'prompt');
  const refused = (promptTokens: number, changes: Partial<OutputLimits> = {}) =>
    thrownBy(() => fit(promptTokens, changes));

  test('gives what was asked for, or the default, or what is left', () => {
    expect(fit(90, { requested: 10 })).toMatchObject({ maxTokens: 10, clamped: false });
    expect(fit(50).maxTokens).toBe(16);
    expect(fit(90)).toMatchObject({ maxTokens: 10, clamped: false });
    expect(fit(10, { fallback: Infinity })).toMatchObject({ maxTokens: 90, clamped: false });
  });

  test('clamps what is asked for beyond the room, and says so', async () => {
    expect(fit(91, { requested: 10 })).toMatchObject({ maxTokens: 9, clamped: true });
    expect(fit(99, { requested: 1e300 })).toMatchObject({ maxTokens: 1, clamped: true });
    expect((await refused(100, { requested: 65_535 })).code).toBe('context_length_exceeded');
  });

  test('refuses one token too many where it is strict, and a prompt that leaves no room for any', async () => {
    const strict = { policy: 'strict' } as const;
    expect((await refused(91, { ...strict, requested: 10 })).code).toBe('context_length_exceeded');
    expect(fit(90, { ...strict, requested: 10 })).toMatchObject({ maxTokens: 10, clamped: false });
    expect((await refused(100)).code).toBe('context_length_exceeded');
    expect(fit(99).maxTokens).toBe(1);
  });

  test('keeps the end of a prompt that is to be truncated', () => {
    expect(fit(150, { truncatePrompt: 3 }).ids).toEqual([147, 148, 149]);
    expect(fit(2, { truncatePrompt: 3 }).ids).toEqual([0, 1]);
    const kept = (changes: Partial<OutputLimits>): number =>
      fit(150, { truncatePrompt: -1, ...changes }).ids.length;
    expect(kept({ requested: 30 })).toBe(70);
    expect(kept({})).toBe(84);
    // An answer may take half of the context, not all of it.
    expect(kept({ fallback: Infinity })).toBe(50);
    expect(fit(150, { truncatePrompt: -1, requested: 1e300 })).toMatchObject({
      maxTokens: 50,
      clamped: true,
    });
    expect(fit(20, { truncatePrompt: -1 }).ids).toHaveLength(20);
  });

  test('refuses what is too long even when truncated', async () => {
    expect((await refused(150, { truncatePrompt: 120 })).code).toBe('context_length_exceeded');
  });

  test('refuses a prompt without tokens, from which nothing can be continued', async () => {
    expect(await refused(0)).toMatchObject({ code: 'invalid_value', param: 'prompt' });
  });

  test('refuses a minimum above the maximum', async () => {
    expect(await refused(90, { minTokens: 11 })).toMatchObject({
      code: 'invalid_value',
      param: 'min_tokens',
    });
  });
});
