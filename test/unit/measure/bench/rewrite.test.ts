import { rewriter } from '../../../../scripts/lib/measure/loads/prompts.js';
import { vocabularyMetadata } from '../../../../services/lib/model/gguf/letter-vocabulary.js';
import { tokenizerFromGguf } from '../../../../services/lib/model/gguf/tokenizer.js';
import { loadTokenizer } from '../../../../services/lib/model/text/tokenizer.js';

const metadata = { ...vocabularyMetadata(4_000), 'tokenizer.ggml.token_type': undefined };
const text = tokenizerFromGguf(metadata);
const planned = { kind: 'rewrite', promptTokens: 0, outputTokens: 0 };

const textsOf = async (seed: number, chatTemplate?: string): Promise<string[]> => {
  const tokenizerConfig = { ...text.tokenizerConfig, chat_template: chatTemplate };
  const prompts = (await rewriter({ ...text, tokenizerConfig }, 100))(seed);
  const tokenizer = loadTokenizer(text);
  return [prompts(planned), prompts(planned)].map((ids) => tokenizer.decode(ids));
};

it('asks for a passage to be written again: another each time, the same for a seed', async () => {
  const texts = await textsOf(1);
  for (const each of texts) expect(each).toMatch(/^Rewrite this text word for word:\n\n\S[^]{100,}\n\n$/);
  expect(texts[0]).not.toBe(texts[1]);
  expect(await textsOf(1)).toEqual(texts);
  expect(await textsOf(2)).not.toEqual(texts);
});

it('asks as the model was trained to be asked', async () => {
  const template = '{% for m in messages %}[{{ m.role }}]{{ m.content }}{% endfor %}[answer]';
  const [plain] = await textsOf(1);
  const [chat] = await textsOf(1, template);
  expect(chat).toBe(`[user]${plain!.trim()}[answer]`);
});
