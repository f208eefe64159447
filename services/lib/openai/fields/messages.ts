import { z } from 'zod';
import { ServingError } from '../../errors/serving-error.js';
import type { ChatMessage, TextPart } from '../../model/text/chat-template.js';
import type { ToolCall } from '../../model/text/tool-turns.js';
import { arrayOf, isDeeperThan, MAX_DEPTH } from '../parse-body.js';

const rawPart = z.looseObject({
  type: z.string(),
  text: z.string().optional(),
  refusal: z.string().optional(),
});
const rawFunction = z.looseObject({ name: z.string().min(1), arguments: z.unknown().optional() });
const rawCall = z.looseObject({
  id: z.string().nullish(),
  type: z.string().nullish(),
  function: rawFunction.nullish(),
});
const rawMessage = z.looseObject({
  role: z.enum(['system', 'developer', 'user', 'assistant', 'tool', 'function']),
  content: z
    .union([z.string(), arrayOf(rawPart)], { error: 'expected a string or an array of text parts' })
    .nullish(),
  name: z.string().nullish(),
  tool_call_id: z.string().nullish(),
  tool_calls: arrayOf(rawCall).nullish(),
  function_call: rawFunction.nullish(),
  refusal: z.string().nullish(),
});
type RawMessage = z.infer<typeof rawMessage>;

/** `messages` as they are sent. */
export const rawMessages = arrayOf(rawMessage).refine(
  (messages) => messages.length > 0,
  'expected at least one',
);

/** The newer names of the same roles; chat templates know `system`, and `tool`. */
const ROLES: Readonly<Partial<Record<string, string>>> = { developer: 'system', function: 'tool' };

/**
 * Throws `invalid_value` for a message without content and for a call whose arguments are no object,
 * `unsupported_parameter` for what is not text.
 */
export function validateMessages(messages: readonly RawMessage[]): ChatMessage[] {
  return messages.map((message, index) => validateMessage(message, `messages[${index}]`));
}

function validateMessage(message: RawMessage, param: string): ChatMessage {
  const { role, name, tool_call_id: callId } = message;
  const calls = role === 'assistant' ? callsOf(message, param) : [];
  const content = message.content ?? (role === 'assistant' ? assistantContent(message, calls) : null);
  if (content === null) throw invalid(`${param}.content`, 'is missing');
  return {
    role: ROLES[role] ?? role,
    content:
      typeof content === 'string'
        ? content
        : content.map((part, index) => validatePart(part, `${param}.content[${index}]`)),
    ...(name ? { name } : {}),
    ...(callId ? { tool_call_id: callId } : {}),
    // A template may only ask whether there are any.
    ...(calls.length > 0 ? { tool_calls: calls } : {}),
  };
}

/**
 * Of a turn without content: what it said is its refusal, or nothing besides its calls. With an empty list of these it
 * is an empty turn, as some clients keep them.
 */
function assistantContent(
  { refusal, tool_calls: sent }: RawMessage,
  calls: readonly ToolCall[],
): string | null {
  return refusal ?? (sent || calls.length > 0 ? '' : null);
}

function callsOf({ tool_calls: calls, function_call: older }: RawMessage, param: string): ToolCall[] {
  if (!calls?.length) return older ? [callOf(older, `${param}.function_call`)] : [];
  return calls.map(({ id, type, function: called }, index) => {
    const field = `${param}.tool_calls[${index}]`;
    if (type && type !== 'function') throw unsupported(`${field}.type`, JSON.stringify(type));
    if (!called) throw invalid(`${field}.function`, 'is missing');
    return { ...(id ? { id } : {}), ...callOf(called, `${field}.function`) };
  });
}

const callOf = (called: z.infer<typeof rawFunction>, param: string): ToolCall => ({
  type: 'function',
  function: { name: called.name, arguments: argumentsOf(called.arguments, `${param}.arguments`) },
});

/** Templates write them as JSON, so they get what the text stands for; a call without any has an empty text. */
export function argumentsOf(sent: unknown, param: string): ToolCall['function']['arguments'] {
  const value = typeof sent === 'string' ? parsed(sent.trim() || '{}', param) : (sent ?? {});
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw invalid(param, 'is no JSON object');
  }
  // A text within the body is as deep as it likes.
  if (isDeeperThan(MAX_DEPTH, value)) throw invalid(param, `is nested more than ${MAX_DEPTH} deep`);
  return value as Record<string, unknown>;
}

function parsed(text: string, param: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw invalid(param, 'is no JSON');
  }
}

function validatePart(part: z.infer<typeof rawPart>, param: string): TextPart {
  if (part.type === 'refusal' && part.refusal !== undefined) return { type: 'text', text: part.refusal };
  if (part.type !== 'text') throw unsupported(param, `of the type ${JSON.stringify(part.type)}`);
  if (part.text === undefined) throw invalid(`${param}.text`, 'is missing');
  return { type: 'text', text: part.text };
}

const invalid = (param: string, problem: string): ServingError =>
  new ServingError('invalid_value', `${param} ${problem}`, { param });

const unsupported = (param: string, kind: string): ServingError =>
  new ServingError('unsupported_parameter', `${param} is ${kind}, and this model reads text only`, { param });
