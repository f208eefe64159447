import { Environment, parse, tokenize, type Program } from '@huggingface/jinja';
import { z } from 'zod';
import { ServingError } from '../../errors/serving-error.js';
import type { TextFiles } from '../types.js';
import { jinjaGlobals } from './jinja-globals.js';
import { JinjaInterpreter } from './jinja-interpreter.js';
import { jinjaSource } from './jinja-source.js';

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
const SPECIAL_TOKENS = [
  'bos_token',
  'eos_token',
  'unk_token',
  'sep_token',
  'pad_token',
  'cls_token',
  'mask_token',
] as const;

/** One template, or several by name, of which `default` is the one for chats. */
const sourceSchema = z.union([
  z.string(),
  z
    .array(z.object({ name: z.string(), template: z.string() }))
    .transform((templates) => templates.find(({ name }) => name === 'default')?.template),
]);

const tokenSchema = z.union([
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
  const template = source === undefined ? missing : compile(source);

  return {
    problem: template instanceof ServingError ? template.message : null,
    literals: source === undefined ? [] : literalsOf(source),
    render(messages, options) {
      if (template instanceof ServingError) throw template;
      try {
        return run(template, {
          ...jinjaGlobals(now),
          ...tokens,
          tools: null,
          documents: null,
          ...options.variables,
          messages: messages.map(flattenContent),
          add_generation_prompt: options.addGenerationPrompt,
        });
      } catch (cause) {
        const reason = cause instanceof Error ? cause.message : String(cause);
        throw new ServingError('chat_template_failed', reason, { param: 'messages', cause });
      }
    },
  };
}

const missing = new ServingError('chat_template_missing', 'the model has no chat template');

function compile(source: string): Program | ServingError {
  try {
    return parse(tokenize(jinjaSource(source)));
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    return new ServingError('chat_template_failed', `the model's chat template is no Jinja: ${reason}`, {
      hint: "use /v1/completions, or mend the template in the model's tokenizer config",
      cause,
    });
  }
}

/** Without regard for where they stand: one too many does no harm. */
function literalsOf(source: string): string[] {
  const found = source.matchAll(/'((?:[^'\\]|\\.)*)'|"((?:[^"\\]|\\.)*)"/gs);
  const unescape = (text: string): string =>
    text.replaceAll(/\\(.)/gs, (_, letter: string) => ({ n: '\n', r: '\r', t: '\t' })[letter] ?? letter);
  return [...new Set([...found].map(([, single, double]) => unescape(single ?? double ?? '')))];
}

/** The library's `Template.render`, with our globals and our way to print. */
function run(template: Program, variables: Record<string, unknown>): string {
  const environment = new Environment();
  for (const [name, value] of Object.entries(variables)) environment.set(name, value);
  return new JinjaInterpreter(environment).run(template).value as string;
}

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
