import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { loadChatTemplate } from '../../../../services/lib/model/text/chat-template.js';
import { loadTokenizer } from '../../../../services/lib/model/text/tokenizer.js';
import type { TextFiles } from '../../../../services/lib/model/types.js';
import { createRandom } from '../../../../services/lib/sampling/random.js';
import { repositoryRoot } from '../../repository.js';
import type { PromptSource } from '../types.js';

const TEXT = join(repositoryRoot, 'test', 'fixtures', 'tom-sawyer.txt');
const INSTRUCTION = 'Rewrite this text word for word:';

/** Prompts by seed. */
export type Rewriter = (seed: number) => PromptSource;

/**
 * Prompts that ask for a passage of about so many tokens to be written again, by the model's own chat template where
 * it has one: the answer copies most of the prompt, as edits of a text or of code do. Passages begin at random lines.
 */
export async function rewriter(text: TextFiles, passageTokens: number): Promise<Rewriter> {
  const lines = (await readFile(TEXT, 'utf8')).split('\n');
  const tokenizer = loadTokenizer(text);
  const tokensOf = (content: string): number[] => tokenizer.encode(content, { addSpecialTokens: false });
  const lengths = lines.map((line) => tokensOf(`${line}\n`).length);
  const render = rendererOf(text);

  const passage = (start: number): string => {
    const taken: string[] = [];
    for (let at = start, tokens = 0; tokens < passageTokens; at = (at + 1) % lines.length) {
      taken.push(lines[at]!);
      tokens += lengths[at]!;
    }
    return taken.join('\n').trim();
  };
  return (seed) => {
    const random = createRandom(seed);
    return () => tokensOf(render(`${INSTRUCTION}\n\n${passage(Math.floor(random() * lines.length))}`));
  };
}

function rendererOf(text: TextFiles): (content: string) => string {
  if (text.tokenizerConfig['chat_template'] === undefined) return (content) => `${content}\n\n`;
  const template = loadChatTemplate(text);
  return (content) => template.render([{ role: 'user', content }], { addGenerationPrompt: true });
}
