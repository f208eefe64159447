import { readFileSync } from 'node:fs';
import { loadTokenizer } from '../../../../services/lib/model/text/tokenizer.js';
import type { TokenizerCase } from './vocabularies.js';

interface Group {
  readonly seed: number;
  readonly tokenizer: {
    readonly model: { readonly vocab: { readonly tokens: string[]; readonly bytesAt: number | null } };
  };
  readonly cases: TokenizerCase[];
}

/** Random files and texts, by Rust's library (scripts/fixtures/tokenizer_cases.py). */
const { groups } = JSON.parse(
  readFileSync(new URL('../../../fixtures/tokenizer-cases.json', import.meta.url), 'utf8'),
) as { groups: Group[] };

function vocabulary({ tokens, bytesAt }: Group['tokenizer']['model']['vocab']): Record<string, number> {
  const bytes = Array.from({ length: 256 }, (_, byte) => {
    return `<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`;
  });
  const all = bytesAt === null ? tokens : tokens.toSpliced(bytesAt, 0, ...bytes);
  return Object.fromEntries(all.map((token, id) => [token, id]));
}

describe("Rust's tokenizers", () => {
  it('make the same of every text, whatever the settings', () => {
    expect(groups.length).toBeGreaterThanOrEqual(500);
    const differing = groups.flatMap(({ seed, tokenizer, cases }) => {
      const model = { ...tokenizer.model, vocab: vocabulary(tokenizer.model.vocab) };
      const steps = { ...tokenizer, model: undefined };
      const files = { tokenizer: { ...steps, model }, tokenizerConfig: {} };
      const loaded = loadTokenizer(files);
      return cases.flatMap(({ text, ids, plain = ids }) => {
        const own = loaded.encode(text, { addSpecialTokens: true });
        const ownPlain = loaded.encode(text, { addSpecialTokens: true, borders: 'everywhere' });
        const same = JSON.stringify([own, ownPlain]) === JSON.stringify([ids, plain]);
        return same ? [] : [{ seed, text, steps, ids, own, plain, ownPlain }];
      });
    });
    expect(differing).toEqual([]);
  });
});
