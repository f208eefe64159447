import { z } from 'zod';
import { ServingError } from '../../errors/serving-error.js';
import type { TextFiles } from '../types.js';
import { compileTemplate, namesOf, stringsOf } from './jinja.js';
import { plain, toolStyleOf, type ToolStyle } from './tool-style.js';
import { asPlainTurns, tellingOfTools, withNumbers, type Tool, type ToolCall } from './tool-turns.js';

export interface TextPart {
  readonly type: 'text';
  readonly text: string;
}

export interface ChatMessage {
  readonly role: string;
  readonly content: string | readonly TextPart[] | null;
  readonly tool_calls?: readonly ToolCall[];
  /** What else the template may use, such as `name` or `tool_call_id`. */
  readonly [field: string]: unknown;
}

export interface RenderOptions {
  /** End with the header of an assistant's turn, so that the model answers. */
  readonly addGenerationPrompt: boolean;
  /** What the model may call. */
  readonly tools?: readonly Tool[];
  /** More variables for the template, as vLLM's `chat_template_kwargs`. */
  readonly variables?: Readonly<Record<string, unknown>>;
}

export interface Rendering extends RenderOptions {
  /** End within the last message, so that the model goes on with it. */
  readonly continueFinalMessage?: boolean;
  /** In place of the model's own. */
  readonly chatTemplate?: string;
}

export interface ChatTemplate {
  /** Why no chat can be rendered, though completions can be served; null where there is nothing to say. */
  readonly problem: string | null;
  /** The strings that the template names, and may look for in a message. */
  readonly literals: readonly string[];
  /** How the model calls what it is told of. */
  readonly toolStyle: ToolStyle;
  /**
   * A conversation as the prompt text that the model was trained on, BOS included: encode it without
   * special tokens. What the template does not know of tools and calls is put in words. Throws `chat_template_missing`, or `chat_template_failed` with the template's own words.
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
  const names = template instanceof ServingError ? new Set<string>() : namesOf(source!);

  const renderTurns = (turns: readonly Turn[], options: RenderOptions): string => {
    if (template instanceof ServingError) throw template;
    try {
      return template({
        ...tokens,
        tools: options.tools?.length ? options.tools : null,
        documents: null,
        ...options.variables,
        messages: turns,
        add_generation_prompt: options.addGenerationPrompt,
      });
    } catch (cause) {
      throw new ServingError('chat_template_failed', messageOf(cause), { param: 'messages', cause });
    }
  };
  let systemShown: boolean | undefined;
  const showsSystem = (): boolean => (systemShown ??= showsSystemTurn(renderTurns));

  return {
    problem: template instanceof ServingError ? template.message : null,
    literals: source === undefined ? [] : stringsOf(source),
    toolStyle: source === undefined ? plain : toolStyleOf(source),
    render(messages, { tools = [], ...options }) {
      const flat = messages.map(flattenContent);
      const turns = source?.includes('[TOOL_CALLS]') ? withNumbers(flat) : flat;
      const known = names.has('tool_calls') ? turns : asPlainTurns(turns);
      if (tools.length === 0 || names.has('tools')) return renderTurns(known, { ...options, tools });
      return renderTurns(tellingOfTools(known, tools, showsSystem), options);
    },
  };
}

/** Templates refuse a system turn, or pass over it, where the model was trained on none. */
function showsSystemTurn(render: (turns: readonly Turn[], options: RenderOptions) => string): boolean {
  const turns = ['system', 'user'].map((role) => ({ role, content: `the ${role} turn` }));
  try {
    return render(turns, { addGenerationPrompt: true }).includes(turns[0]!.content);
  } catch {
    return false;
  }
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

type Turn = ChatMessage & { readonly content: string };

/** Text parts are joined by newlines, as vLLM does for templates that expect strings. */
function flattenContent(message: ChatMessage): Turn {
  const { content } = message;
  if (typeof content === 'string') return { ...message, content };
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
  const last = typeof content === 'string' ? content : content?.at(-1);
  // Calls come after the text.
  if (last === undefined || message.tool_calls) {
    const problem = 'continue_final_message needs a last message with text';
    throw new ServingError('invalid_value', problem, { param: 'continue_final_message' });
  }
  if (typeof last === 'string') return { ...message, content: last + END };
  return {
    ...message,
    content: [...(content!.slice(0, -1) as TextPart[]), { ...last, text: last.text + END }],
  };
}
