import { ServingError } from '../../errors/serving-error.js';
import type { TextFiles } from '../types.js';
import {
  type ChatMessage,
  type ChatTemplate,
  loadChatTemplate,
  type Rendering,
  renderPrompt,
} from './chat-template.js';
import { escaped } from './tokenizer-json/steps.js';
import { loadTokenizer, type Tokenizer } from './tokenizer.js';
import type { Tool } from './tool-turns.js';

/** What a model's texts are encoded with. */
export interface ModelText {
  readonly tokenizer: Tokenizer;
  readonly chatTemplate: ChatTemplate;
  /** Whether `<|im_end|>` in a message is ten characters (`text`) or the token, which lets users forge turns. */
  readonly specialTokensInContent: 'text' | 'parse';
  /** The same with another chat template, of a request. */
  readonly withTemplate?: (source: string) => ModelText;
}

interface EncodeChatOptions {
  readonly addSpecialTokens?: boolean;
  /** Hears the prompt before it is encoded, and may refuse it by throwing. */
  readonly onRendered?: (prompt: string) => void;
}

interface ChatPrompt {
  readonly prompt: string;
  readonly ids: number[];
}

/** Templates of requests that are kept, compiled: clients send the same one again and again. */
const KEPT_TEMPLATES = 8;

/** A model's tokenizer and template. Throws `unsupported_tokenizer`. */
export function loadModelText(
  files: TextFiles,
  options: { readonly vocabulary: number } & Pick<ModelText, 'specialTokensInContent'>,
): ModelText {
  const { vocabulary, specialTokensInContent } = options;
  const text: ModelText = {
    tokenizer: loadTokenizer(files, vocabulary),
    chatTemplate: loadChatTemplate(files),
    specialTokensInContent,
  };
  const kept = new Map<string, ModelText>();
  const withTemplate = (source: string): ModelText => {
    const tokenizerConfig = { ...files.tokenizerConfig, chat_template: source };
    const other = kept.get(source) ?? {
      ...text,
      chatTemplate: loadChatTemplate({ ...files, tokenizerConfig }),
    };
    kept.delete(source);
    kept.set(source, other);
    if (kept.size > KEPT_TEMPLATES) kept.delete(kept.keys().next().value!);
    return other;
  };
  return { ...text, withTemplate };
}

/** Characters of no text (Unicode's noncharacters): one of them marks where a client's text is cut. */
const MARKS = Array.from({ length: 32 }, (_, index) => String.fromCharCode(0xfdd0 + index));

/**
 * A conversation as the prompt that the model was trained on, and its tokens. Special tokens that stand in a
 * client's strings, or that these would form with what the template puts beside them, are ordinary
 * characters; the template's own are tokens. For conversations without any the ids are those of the prompt.
 *
 * The strings are marked inside all that could be part of a special token, the template is rendered with them,
 * and the marks that come out are the borders that no special token may span. Throws as `render` and `encode`.
 */
export function encodeChat(
  model: ModelText,
  messages: readonly ChatMessage[],
  { chatTemplate: source, ...options }: Rendering & EncodeChatOptions,
): ChatPrompt {
  const text = source === undefined ? model : model.withTemplate!(source);
  const { tokenizer, chatTemplate } = text;
  const encode = (prompt: string, borders: readonly number[]): ChatPrompt => ({
    prompt,
    ids: tokenizer.encode(prompt, { addSpecialTokens: options.addSpecialTokens ?? false, borders }),
  });
  const prompt = renderPrompt(chatTemplate, messages, options);
  options.onRendered?.(prompt);
  if (text.specialTokensInContent === 'parse') return encode(prompt, []);

  const guard = guardOf(text);
  const strings: string[] = [];
  withStrings(messages, options, (value) => (strings.push(value), value));
  if (!strings.some((value) => guard.bordersOf(value).length > 0)) return encode(prompt, []);

  const mark = MARKS.find((one) => !strings.some((value) => value.includes(one)));
  if (mark === undefined) {
    throw new ServingError('invalid_value', 'the messages use all of U+FDD0 to U+FDEF, which are no text', {
      param: 'messages',
    });
  }
  const marked = withStrings(messages, options, (value) => cut(value, guard.bordersOf(value)).join(mark));
  const parts = renderPrompt(chatTemplate, marked.messages, marked.options).split(mark);
  let at = 0;
  const guarded = encode(
    parts.join(''),
    parts.slice(0, -1).map((part) => (at += part.length)),
  );
  if (guarded.prompt === prompt) return guarded;
  // A template that measured its strings has seen the marks. Without any its prompt is better, if nothing is forged in it.
  const unmarked = encode(prompt, []);
  const special = ({ ids }: ChatPrompt): string => ids.filter((id) => tokenizer.isSpecial(id)).join();
  return special(unmarked) === special(guarded) ? unmarked : guarded;
}

const guards = new WeakMap<ModelText, Guard>();

/** Made once for a model, which may have hundreds of special tokens. */
function guardOf(text: ModelText): Guard {
  let guard = guards.get(text);
  if (guard === undefined) {
    guard = new Guard(text.tokenizer.specialTokens, text.chatTemplate.literals);
    guards.set(text, guard);
  }
  return guard;
}

/** Knows where a client's string could be part of a special token. */
class Guard {
  readonly #special: readonly string[];
  /** Marks after the characters that begin a special token, and before those that end one. */
  readonly #first: ReadonlySet<string>;
  readonly #last: ReadonlySet<string>;
  readonly #candidates: RegExp;

  /** `literals`: what the template may look for in a string, such as `</think>`, is left whole. */
  constructor(specialTokens: readonly string[], literals: readonly string[]) {
    // Nothing can be marked inside one character. A word's letters are in every text: only the whole is marked.
    this.#special = specialTokens.filter((token) => token.length > 1);
    const sign = (character: string | undefined): character is string =>
      character !== undefined && /[^\s\p{L}\p{N}\p{Cs}_]/u.test(character);
    this.#first = new Set(this.#special.map((token) => token[0]).filter(sign));
    this.#last = new Set(this.#special.map((token) => token.at(-1)).filter(sign));
    const holdsSpecial = (value: string): boolean => this.#special.some((token) => value.includes(token));
    const whole = literals.filter((literal) => literal.length > 1 && !holdsSpecial(literal));
    const longestFirst = whole.toSorted((a, b) => b.length - a.length);
    const candidates = [...longestFirst, ...this.#first, ...this.#last].map(escaped);
    this.#candidates = new RegExp(candidates.length === 0 ? '(?!)' : candidates.join('|'), 'g');
  }

  /** Positions in the string, ascending. */
  bordersOf(value: string): number[] {
    const borders = new Set<number>();
    for (const token of this.#special) {
      for (let at = value.indexOf(token); at >= 0; at = value.indexOf(token, at + 1)) borders.add(at + 1);
    }
    for (const { index, 0: match } of value.matchAll(this.#candidates)) {
      if (this.#first.has(match)) borders.add(index + 1);
      if (this.#last.has(match)) borders.add(index);
    }
    return [...borders].sort((a, b) => a - b);
  }
}

/** Of a call, and of a tool's schema: below these names the keys of objects are the client's too. */
const OBJECTS: ReadonlySet<string> = new Set(['arguments', 'parameters']);

/** The conversation with another string for each that a client chose; roles are the template's words. */
function withStrings(
  messages: readonly ChatMessage[],
  options: Rendering,
  change: (value: string) => string,
): { messages: ChatMessage[]; options: Rendering } {
  const map = (value: unknown, ownKeys = false): unknown => {
    if (typeof value === 'string') return change(value);
    if (Array.isArray(value)) return value.map((each) => map(each, ownKeys));
    if (typeof value !== 'object' || value === null) return value;
    const fields = Object.entries(value).map(
      ([key, field]) => [ownKeys ? change(key) : key, map(field, ownKeys || OBJECTS.has(key))] as const,
    );
    return Object.fromEntries(fields);
  };
  const { tools = [], variables = {} } = options;
  const changed = Object.entries(variables).map(([name, value]) => [name, map(value, true)] as const);
  return {
    messages: messages.map(({ role, ...rest }) => ({ ...(map(rest) as ChatMessage), role })),
    options: { ...options, tools: map(tools) as Tool[], variables: Object.fromEntries(changed) },
  };
}

function cut(value: string, borders: readonly number[]): string[] {
  return [0, ...borders].map((start, index) => value.slice(start, borders[index]));
}
