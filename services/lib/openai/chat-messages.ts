import { z } from 'zod';
import { ServingError } from '../errors/serving-error.js';
import type { ChatMessage, TextPart } from '../model/text/chat-template.js';
import { arrayOf } from './array-of.js';

const rawPart = z.looseObject({
  type: z.string(),
  text: z.string().optional(),
  refusal: z.string().optional(),
});
const rawMessage = z.looseObject({
  role: z.enum(['system', 'developer', 'user', 'assistant', 'tool']),
  content: z
    .union([z.string(), arrayOf(rawPart)], { error: 'expected a string or an array of text parts' })
    .nullish(),
  name: z.string().nullish(),
  tool_call_id: z.string().nullish(),
  tool_calls: z.array(z.unknown()).nullish(),
  refusal: z.string().nullish(),
});
type RawMessage = z.infer<typeof rawMessage>;

/** `messages` as they are sent. */
export const rawMessages = arrayOf(rawMessage).refine(
  (messages) => messages.length > 0,
  'expected at least one',
);

/** Throws `invalid_value` for a message without content, `unsupported_parameter` for what is not text. */
export function validateMessages(messages: readonly RawMessage[]): ChatMessage[] {
  return messages.map((message, index) => validateMessage(message, `messages[${index}]`));
}

function validateMessage(message: RawMessage, param: string): ChatMessage {
  if (message.tool_calls?.length) throw unsupported(`${param}.tool_calls`);
  // An answer that only refused comes back without content: what it said is its refusal.
  const content = message.content ?? (message.role === 'assistant' ? assistantContent(message) : null);
  if (content === null) {
    throw new ServingError('invalid_value', `${param}.content is missing`, { param: `${param}.content` });
  }
  return {
    // The newer name of the same role; chat templates know the older.
    role: message.role === 'developer' ? 'system' : message.role,
    content:
      typeof content === 'string'
        ? content
        : content.map((part, index) => validatePart(part, `${param}.content[${index}]`)),
    ...(message.name ? { name: message.name } : {}),
    ...(message.tool_call_id ? { tool_call_id: message.tool_call_id } : {}),
  };
}

/** Of a turn without content. With an empty list of calls it is an empty turn, as some clients keep them. */
function assistantContent({ refusal, tool_calls }: RawMessage): string | null {
  return refusal ?? (tool_calls ? '' : null);
}

function validatePart(part: z.infer<typeof rawPart>, param: string): TextPart {
  if (part.type === 'refusal' && part.refusal !== undefined) return { type: 'text', text: part.refusal };
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
