import { z } from 'zod';
import { ServingError } from '../errors/serving-error.js';
import type { ChatMessage, TextPart } from '../model/text/chat-template.js';

const rawPart = z.looseObject({ type: z.string(), text: z.string().optional() });
const rawMessage = z.looseObject({
  role: z.enum(['system', 'developer', 'user', 'assistant', 'tool']),
  content: z
    .union([z.string(), z.array(rawPart)], { error: 'expected a string or an array of text parts' })
    .nullish(),
  name: z.string().nullish(),
  tool_call_id: z.string().nullish(),
  tool_calls: z.array(z.unknown()).nullish(),
});
type RawMessage = z.infer<typeof rawMessage>;

/** `messages` as they are sent. */
export const rawMessages = z.array(rawMessage).min(1);

/** Throws `invalid_value` for a message without content, `unsupported_parameter` for what is not text. */
export function validateMessages(messages: readonly RawMessage[]): ChatMessage[] {
  return messages.map((message, index) => validateMessage(message, `messages[${index}]`));
}

function validateMessage(message: RawMessage, param: string): ChatMessage {
  if (message.tool_calls?.length) throw unsupported(`${param}.tool_calls`);
  if (message.content === undefined || message.content === null) {
    throw new ServingError('invalid_value', `${param}.content is missing`, { param: `${param}.content` });
  }
  return {
    // The newer name of the same role; chat templates know the older.
    role: message.role === 'developer' ? 'system' : message.role,
    content:
      typeof message.content === 'string'
        ? message.content
        : message.content.map((part, index) => validatePart(part, `${param}.content[${index}]`)),
    ...(message.name ? { name: message.name } : {}),
    ...(message.tool_call_id ? { tool_call_id: message.tool_call_id } : {}),
  };
}

function validatePart(part: z.infer<typeof rawPart>, param: string): TextPart {
  if (part.type !== 'text') throw unsupported(param);
  if (part.text === undefined) {
    throw new ServingError('invalid_value', `${param}.text is missing`, { param: `${param}.text` });
  }
  return { type: 'text', text: part.text };
}

const unsupported = (param: string): ServingError =>
  new ServingError('unsupported_parameter', `${param} is not supported: this model reads text only`, {
    param,
  });
