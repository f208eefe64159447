import { fitContext } from '../../../services/lib/openai/fit-context.js';
import { thrownBy } from '../../support/thrown-by.js';

describe('fitting an answer into the context', () => {
  const limits = { requested: null, fallback: 16, minTokens: 0 };

  test('gives what was asked for, or the default, or what is left', () => {
    expect(fitContext(90, { ...limits, requested: 10 }, 100, 'prompt')).toBe(10);
    expect(fitContext(50, limits, 100, 'prompt')).toBe(16);
    expect(fitContext(90, limits, 100, 'prompt')).toBe(10);
    expect(fitContext(10, { ...limits, fallback: Infinity }, 100, 'messages')).toBe(90);
  });

  test('refuses one token too many, and a prompt that leaves no room for any', async () => {
    const refused = (promptTokens: number, requested: number | null) =>
      thrownBy(() => fitContext(promptTokens, { ...limits, requested }, 100, 'prompt'));
    expect((await refused(91, 10)).code).toBe('context_length_exceeded');
    expect((await refused(100, null)).code).toBe('context_length_exceeded');
    expect(fitContext(99, limits, 100, 'prompt')).toBe(1);
  });

  test('refuses a prompt without tokens, from which nothing can be continued', async () => {
    const error = await thrownBy(() => fitContext(0, limits, 100, 'messages'));
    expect(error).toMatchObject({ code: 'invalid_value', param: 'messages' });
  });

  test('refuses a minimum above the maximum', async () => {
    const error = await thrownBy(() => fitContext(90, { ...limits, minTokens: 11 }, 100, 'prompt'));
    expect(error).toMatchObject({ code: 'invalid_value', param: 'min_tokens' });
  });
});
