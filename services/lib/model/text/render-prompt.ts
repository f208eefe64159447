import { ServingError } from '../../errors/serving-error.js';
import type { ChatMessage, ChatTemplate, RenderOptions } from './chat-template.js';

export interface Rendering extends RenderOptions {
  /** End within the last message, so that the model goes on with it. */
  readonly continueFinalMessage?: boolean;
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
