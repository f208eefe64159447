import { readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { gguf } from '@huggingface/gguf';
import { StreamingDetokenizer } from '../../services/lib/model/text/detokenizer.js';
import { tokenizerFromGguf } from '../../services/lib/model/gguf/tokenizer.js';
import { loadTokenizer, type Tokenizer } from '../../services/lib/model/text/tokenizer.js';
import type { CheckpointText } from '../../services/lib/model/types.js';
import type { TokenizerCase } from '../unit/model/text/vocabularies.js';

/** Made by scripts/fixtures/tokenizer_ids.py from llama.cpp's tokenizer. */
const fixture = JSON.parse(
  readFileSync(new URL('../fixtures/tokenizer-ids.json', import.meta.url), 'utf8'),
) as { model: string; cases: TokenizerCase[] };

const cache = process.env['LAYERMESH_CACHE'] ?? join(homedir(), '.cache/layermesh');

describe('the tokenizer of the demo model', () => {
  let text: CheckpointText;
  let tokenizer: Tokenizer;

  beforeAll(async () => {
    const file = await gguf(join(cache, 'models', fixture.model), { allowLocalFile: true });
    text = tokenizerFromGguf(file.metadata as unknown as Record<string, unknown>);
    tokenizer = loadTokenizer(text);
  });

  it('gives the ids that llama.cpp gives', () => {
    expect(fixture.cases.length).toBeGreaterThan(300);
    for (const { text, ids, plain } of fixture.cases) {
      expect([text, tokenizer.encode(text, { addSpecialTokens: true })]).toEqual([text, ids]);
      if (plain === undefined) continue;
      expect([text, tokenizer.encode(text, { addSpecialTokens: true, borders: 'everywhere' })]).toEqual([
        text,
        plain,
      ]);
    }
  });

  it('gives the text back, at once and streamed', () => {
    for (const { text, ids } of fixture.cases) {
      expect(tokenizer.decode(ids)).toBe(text);
      const detokenizer = new StreamingDetokenizer(tokenizer);
      const shown = tokenizer.decode(ids.filter((id) => !tokenizer.isSpecial(id)));
      expect(ids.map((id) => detokenizer.push(id)).join('') + detokenizer.flush()).toBe(shown);
    }
  });

  it('names the tokens that begin a text and end a turn', () => {
    expect(tokenizer.vocabularySize).toBe(49152);
    expect(text.bosId).toBe(tokenizer.idOf('<|im_start|>'));
    expect(text.eosIds).toContain(tokenizer.idOf('<|im_end|>'));
  });
});
