import { runInNewContext } from 'node:vm';
import { z } from 'zod';
import { loadChatTemplate, tokenSchema } from './chat-template.js';

/** Tokens that end a turn or a text in whatever model has them (llama.cpp's `special_eog_ids`). */
export const END_TEXTS: ReadonlySet<string> = new Set([
  '</s>',
  '<|im_end|>',
  '<|endoftext|>',
  '<|eot_id|>',
  '<|eom_id|>',
  '<|end_of_text|>',
  '<|end|>',
  '<|return|>',
  '<|call|>',
  '<|calls|>',
  '<|flush|>',
  '<end_of_turn>',
  '<end_of_utterance>',
  '<｜end▁of▁sentence｜>',
  '<EOT>',
  '_<EOT>',
  '[EOT]',
  '[EOS]',
]);

interface EndTokenSources {
  /** What the checkpoint itself gives as such: of these all are taken. */
  readonly named: readonly number[];
  /** From a field that is at times left over from another model: taken if they are control tokens. */
  readonly supposed?: readonly number[];
  readonly tokenizer: unknown;
  readonly tokenizerConfig: Record<string, unknown>;
}

interface AddedToken {
  readonly id: number;
  readonly content: string;
}

const addedTokensSchema = z.object({
  added_tokens: z.array(z.object({ id: z.number(), content: z.string(), special: z.boolean().catch(false) })),
});

/**
 * The tokens at which a model's answer ends. Checkpoints name them in many places, each at times without the others:
 * by id, as `eos_token`, by a text that always means it, or only by what the chat template puts after an answer.
 */
export function endTokens({ named, supposed = [], tokenizer, tokenizerConfig }: EndTokenSources): number[] {
  const { data } = addedTokensSchema.safeParse(tokenizer);
  const added = data?.added_tokens ?? [];
  const eosToken = tokenSchema.safeParse(tokenizerConfig['eos_token']).data;
  const turnEnd = endOfTurn(tokenizerConfig, added);
  const found = added.filter(
    ({ id, content, special }) =>
      content === eosToken ||
      content === turnEnd ||
      (special && (supposed.includes(id) || END_TEXTS.has(content))),
  );
  return [...new Set([...named, ...found.map(({ id }) => id)])];
}

const CONVERSATION = ['one', 'two', 'three', 'four'].map((number, index) => ({
  role: index % 2 === 0 ? 'user' : 'assistant',
  content: `Layermesh-${number}`,
}));

/** Milliseconds for a template, which is a program: one without an end is no reason not to open the model. */
const RENDER_MS = 500;

/**
 * The token that a chat template puts after both answers of a conversation. One that also stands before the first
 * question opens a turn, though a conversation that goes on has it after an answer.
 */
function endOfTurn(
  tokenizerConfig: Record<string, unknown>,
  added: readonly AddedToken[],
): string | undefined {
  const rendered = render(tokenizerConfig);
  const [question, answer, , last] = CONVERSATION.map(({ content }) => content);
  const before = rendered.slice(0, Math.max(0, rendered.indexOf(question!)));
  const [end, lastEnd] = [answer!, last!].map((text) => firstToken(rendered.split(text)[1] ?? '', added));
  return end !== undefined && end === lastEnd && !before.includes(end) ? end : undefined;
}

/** Empty where the template is missing, fails or takes too long. */
function render(tokenizerConfig: Record<string, unknown>): string {
  const template = loadChatTemplate({ tokenizer: null, tokenizerConfig });
  const work = (): string => template.render(CONVERSATION, { addGenerationPrompt: false });
  try {
    // What is called from within a context can be stopped with it.
    return runInNewContext('work()', { work }, { timeout: RENDER_MS }) as string;
  } catch {
    return '';
  }
}

/** The longest of the tokens with which a text begins, spaces aside. */
function firstToken(text: string, added: readonly AddedToken[]): string | undefined {
  const start = text.trimStart();
  return added
    .map(({ content }) => content)
    .filter((content) => content.trim() !== '' && start.startsWith(content))
    .sort((a, b) => b.length - a.length)[0];
}
