import { ServingError } from '../../lib/errors/serving-error.js';
import { sourceOfForm, type Form } from '../../lib/grammar/source.js';
import type { ChatMessage, Rendering } from '../../lib/model/text/chat-template.js';
import { encodeChat, type ModelText } from '../../lib/model/text/encode-chat.js';
import type { EncodeOptions } from '../../lib/model/text/tokenizer.js';

/** What is refused before it is encoded: a text of more bytes has more tokens than the context, whatever they are. */
export interface TextLimit {
  readonly bytes: number;
  readonly contextLength: number;
}

/** Work on text, as it goes to a worker thread. Null is no limit. */
export type TextTask =
  | {
      readonly kind: 'prompts';
      readonly texts: readonly string[];
      readonly options: EncodeOptions;
      readonly limit: TextLimit | null;
    }
  | {
      readonly kind: 'chat';
      readonly messages: readonly ChatMessage[];
      readonly options: Rendering & { readonly addSpecialTokens?: boolean };
      readonly limit: TextLimit | null;
    }
  | { readonly kind: 'decode'; readonly ids: readonly number[] }
  /** `param`: the field that asks for the form. */
  | { readonly kind: 'constraint'; readonly form: Form; readonly param: string };

export interface TextResult {
  /** Of each text. */
  readonly ids: readonly (readonly number[])[];
  /** Of a chat as rendered, or decoded, or the source of a constraint; else empty. */
  readonly text: string;
}

/** Roughly what it costs, characters. */
export function sizeOf(task: TextTask): number {
  if (task.kind === 'decode') return task.ids.length;
  if (task.kind === 'constraint') return JSON.stringify(task.form).length;
  return task.kind === 'prompts'
    ? task.texts.reduce((sum, text) => sum + text.length, 0)
    : JSON.stringify([task.messages, task.options]).length;
}

/** Throws what rendering, encoding and converting throw, and `context_length_exceeded` above the limit. */
export function runTextTask(text: ModelText, task: TextTask): TextResult {
  switch (task.kind) {
    case 'prompts':
      requireWithin(task);
      return { ids: task.texts.map((each) => text.tokenizer.encode(each, task.options)), text: '' };
    case 'chat': {
      const { limit, options, messages } = task;
      const onRendered = (prompt: string): void => {
        if (limit !== null) requireBytes(prompt, limit, 'messages');
      };
      const { prompt, ids } = encodeChat(text, messages, { ...options, onRendered });
      return { ids: [ids], text: prompt };
    }
    case 'decode':
      return { ids: [], text: text.tokenizer.decode(task.ids) };
    case 'constraint':
      return { ids: [], text: sourceOfAsked(task) };
  }
}

/** Whatever the form's problem is, it is the field's, or that of the part of it which is named. */
function sourceOfAsked({ form, param }: { readonly form: Form; readonly param: string }): string {
  try {
    return sourceOfForm(form);
  } catch (reason) {
    const { code, message, param: part, hint } = ServingError.from(reason);
    throw new ServingError(code, message, { param: part ?? param, hint, cause: reason });
  }
}

/** Throws `context_length_exceeded` for prompts above the limit. Of a chat it shows once it is rendered. */
export function requireWithin(task: TextTask): void {
  if (task.kind !== 'prompts' || task.limit === null) return;
  for (const text of task.texts) requireBytes(text, task.limit, 'prompt');
}

function requireBytes(text: string, { bytes, contextLength }: TextLimit, param: string): void {
  const length = Buffer.byteLength(text);
  if (length <= bytes) return;
  const message =
    `This model's maximum context length is ${contextLength} tokens. However, your ${param} resulted in ` +
    `${length} bytes, more than so many tokens can hold. Please reduce the length of the ${param}.`;
  throw new ServingError('context_length_exceeded', message, { param, hint: '' });
}
