import { z } from 'zod';
import { ServingError } from '../../errors/serving-error.js';
import type { TextFiles } from '../types.js';
import { compileTemplate, stringsOf } from './jinja.js';

export interface TextPart {
  readonly type: 'text';
  readonly text: string;
}

export interface ChatMessage {
  readonly role: string;
  readonly content: string | readonly TextPart[] | null;
  /** What else the template may use, such as `name` or `tool_calls`. */
  readonly [field: string]: unknown;
}

export interface RenderOptions {
  /** End with the header of an assistant's turn, so that the model answers. */
  readonly addGenerationPrompt: boolean;
  /** More variables for the template, as vLLM's `chat_template_kwargs`. */
  readonly variables?: Readonly<Record<string, unknown>>;
}

export interface Rendering extends RenderOptions {
  /** End within the last message, so that the model goes on with it. */
  readonly continueFinalMessage?: boolean;
}

export interface ChatTemplate {
  /** Why no chat can be rendered, though completions can be served; null where there is nothing to say. */
  readonly problem: string | null;
  /** The strings that the template names, and may look for in a message. */
  readonly literals: readonly string[];
  /**
   * A conversation as the prompt text that the model was trained on, BOS included: encode it without
   * special tokens. Throws `chat_template_missing`, or `chat_template_failed` with the template's own words.
   */
  render(messages: readonly ChatMessage[], options: RenderOptions): string;
}

/** Tokens that a template may name, as strings or in the longer form of an added token. */
const SPECIAL_TOKENS = ['bos', 'eos', 'unk', 'sep', 'pad', 'cls', 'mask'].map((name) => `${name}_token`);

/** One template, or several by name, of which `default` is the one for chats. */
const sourceSchema = z.union([
  z.string(),
  z
    .array(z.object({ name: z.string(), template: z.string() }))
    .transform((templates) => templates.find(({ name }) => name === 'default')?.template),
]);

/** A token of tokenizer_config.json: its text, or an object that holds it. */
export const tokenSchema = z.union([
  z.string(),
  z.object({ content: z.string() }).transform(({ content }) => content),
]);

/**
 * Loads a model's chat template with the variables and settings of transformers' `apply_chat_template`.
 * A model without one, or with one that is no Jinja, still serves plain completions: `problem` says so at
 * once, and a chat is refused with it.
 */
export function loadChatTemplate(text: TextFiles, now: () => Date = () => new Date()): ChatTemplate {
  const source = sourceSchema.safeParse(text.tokenizerConfig['chat_template']).data;
  const tokens = specialTokens(text.tokenizerConfig);
  const template = source === undefined ? missing : compile(source, now);

  return {
    problem: template instanceof ServingError ? template.message : null,
    literals: source === undefined ? [] : stringsOf(source),
    render(messages, options) {
      if (template instanceof ServingError) throw template;
      try {
        return template({
          ...tokens,
          tools: null,
          documents: null,
          ...options.variables,
          messages: messages.map(flattenContent),
          add_generation_prompt: options.addGenerationPrompt,
        });
      } catch (cause) {
        throw new ServingError('chat_template_failed', messageOf(cause), { param: 'messages', cause });
      }
    },
  };
}

const missing = new ServingError('chat_template_missing', 'the model has no chat template');

function compile(source: string, now: () => Date): ReturnType<typeof compileTemplate> | ServingError {
  try {
    return compileTemplate(source, now);
  } catch (cause) {
    return new ServingError(
      'chat_template_failed',
      `the model's chat template is no Jinja: ${messageOf(cause)}`,
      {
        hint: "use /v1/completions, or mend the template in the model's tokenizer config",
        cause,
      },
    );
  }
}

const messageOf = (reason: unknown): string => (reason instanceof Error ? reason.message : String(reason));

/** Text parts are joined by newlines, as vLLM does for templates that expect strings. */
function flattenContent(message: ChatMessage): Record<string, unknown> {
  const { content } = message;
  if (typeof content === 'string') return message;
  return { ...message, content: (content ?? []).map(({ text }) => text).join('\n') };
}

function specialTokens(config: Record<string, unknown>): Record<string, string> {
  const found = SPECIAL_TOKENS.flatMap((name) => {
    const token = tokenSchema.safeParse(config[name]);
    return token.success ? [[name, token.data] as const] : [];
  });
  return Object.fromEntries(found);
}

/** Stands where the last message ends; its space shows whether the template trims what it is given. */
const END = 'END_OF_FINAL_MESSAGE ';

/**
 * A conversation as the prompt that a request asks for. A message is continued as in transformers: rendered with a
 * mark behind it, and cut there. Throws what `render` throws, `invalid_value` where there is no text to continue, and
 * `chat_template_failed` where the template shows nothing of the last message.
 */
export function renderPrompt(
  template: ChatTemplate,
  messages: readonly ChatMessage[],
  { continueFinalMessage, ...options }: Rendering,
): string {
  if (continueFinalMessage !== true) return template.render(messages, options);
  const prompt = template.render([...messages.slice(0, -1), withEnd(messages.at(-1)!)], options);
  const at = prompt.lastIndexOf(END.trimEnd());
  if (at === -1) {
    throw new ServingError('chat_template_failed', 'the chat template does not show the final message', {
      param: 'continue_final_message',
    });
  }
  return prompt.startsWith(END, at) ? prompt.slice(0, at) : prompt.slice(0, at).trimEnd();
}

function withEnd(message: ChatMessage): ChatMessage {
  const { content } = message;
  if (typeof content === 'string') return { ...message, content: content + END };
  const last = content?.at(-1);
  if (!content || !last) {
    const problem = 'continue_final_message needs a last message with text';
    throw new ServingError('invalid_value', problem, { param: 'continue_final_message' });
  }
  return { ...message, content: [...content.slice(0, -1), { ...last, text: last.text + END }] };
}
