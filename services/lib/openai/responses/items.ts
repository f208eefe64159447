import { randomUUID } from 'node:crypto';
import { z } from 'zod';
import type { ChatMessage, TextPart } from '../../model/text/chat-template.js';
import type { ToolCall } from '../../model/text/tool-turns.js';
import { argumentsOf } from '../fields/messages.js';
import { arrayOf, invalidField, unsupportedType } from '../parse-body.js';

const rawPart = z.looseObject({ type: z.string() });
const textOrParts = z.union([z.string(), arrayOf(rawPart)], {
  error: 'expected a string or an array of parts',
});
const rawItem = z.looseObject({
  type: z.string().nullish(),
  role: z.string().nullish(),
  id: z.string().nullish(),
});
type RawItem = z.infer<typeof rawItem>;

/** `input` as it is sent. */
export const rawInput = z.union([z.string(), arrayOf(rawItem)], {
  error: 'expected a string or an array of items',
});

/** One thing that was said or done in a conversation, as it is kept and shown. */
export type Item = MessageItem | CallItem | CallOutputItem;

export interface MessageItem {
  readonly id: string;
  readonly type: 'message';
  readonly status: ItemStatus;
  readonly role: 'user' | 'assistant' | 'system' | 'developer';
  readonly content: readonly (TextItemPart | OutputTextPart)[];
}

export type ItemStatus = 'in_progress' | 'completed' | 'incomplete';

interface TextItemPart {
  readonly type: 'input_text';
  readonly text: string;
}

interface OutputTextPart {
  readonly type: 'output_text';
  readonly text: string;
  readonly annotations: readonly [];
  readonly logprobs: readonly [];
}

export const outputText = (text: string): OutputTextPart => ({
  type: 'output_text',
  text,
  annotations: [],
  logprobs: [],
});

export interface CallItem {
  readonly id: string;
  readonly type: 'function_call';
  readonly status: ItemStatus;
  readonly call_id: string;
  readonly name: string;
  /** A text of JSON. */
  readonly arguments: string;
}

interface CallOutputItem {
  readonly id: string;
  readonly type: 'function_call_output';
  readonly status: ItemStatus;
  readonly call_id: string;
  readonly output: string;
}

export const newId = (kind: 'msg' | 'fc' | 'fco'): string => `${kind}_${randomUUID().replaceAll('-', '')}`;

/** What was sent, each with an id. Throws `invalid_value`, and `unsupported_parameter` for what is no text and no call. */
export function itemsOf(input: z.infer<typeof rawInput>): Item[] {
  if (typeof input === 'string') return [messageItem({ role: 'user', content: input }, 'input')];
  return input.flatMap((item, index) => itemOf(item, `input[${index}]`));
}

function itemOf(item: RawItem, param: string): Item[] {
  switch (item.type ?? 'message') {
    case 'message':
      return [messageItem(item, param)];
    case 'function_call':
      return [callItem(item, param)];
    case 'function_call_output':
      return [outputItem(item, param)];
    // How another model came to an answer is no part of the conversation.
    case 'reasoning':
      return [];
    default:
      throw unsupportedType(param, item.type!);
  }
}

const ROLES = ['user', 'assistant', 'system', 'developer'] as const;

function messageItem(item: RawItem & { content?: unknown }, param: string): MessageItem {
  const role = ROLES.find((known) => known === item.role);
  if (role === undefined) throw invalidField(`${param}.role`, `is none of ${ROLES.join(', ')}`);
  const content = textOrParts.safeParse(item.content);
  if (!content.success) throw invalidField(`${param}.content`, 'is no string and no array of parts');
  const texts = textsOf(content.data, `${param}.content`);
  return {
    id: item.id ?? newId('msg'),
    type: 'message',
    status: 'completed',
    role,
    content: texts.map((text) => (role === 'assistant' ? outputText(text) : { type: 'input_text', text })),
  };
}

function textsOf(content: z.infer<typeof textOrParts>, param: string): string[] {
  if (typeof content === 'string') return [content];
  return content.map(({ type, text, refusal }, index) => {
    const name = `${param}[${index}]`;
    if (!['input_text', 'output_text', 'text', 'refusal'].includes(type)) throw unsupportedType(name, type);
    const said = type === 'refusal' ? refusal : text;
    if (typeof said !== 'string')
      throw invalidField(`${name}.${type === 'refusal' ? type : 'text'}`, 'is missing');
    return said;
  });
}

function callItem(item: RawItem, param: string): CallItem {
  const { call_id: callId, name, arguments: text } = item;
  if (typeof callId !== 'string') throw invalidField(`${param}.call_id`, 'is missing');
  if (typeof name !== 'string' || name === '') throw invalidField(`${param}.name`, 'is missing');
  if (typeof text !== 'string') throw invalidField(`${param}.arguments`, 'is missing');
  // One that was cut off comes back as it was told, with half a text of JSON.
  const status = item.status === 'incomplete' ? 'incomplete' : 'completed';
  if (status === 'completed') argumentsOf(text, `${param}.arguments`);
  const call = { call_id: callId, name, arguments: text };
  return { id: item.id ?? newId('fc'), type: 'function_call', status, ...call };
}

function outputItem(item: RawItem, param: string): CallOutputItem {
  if (typeof item.call_id !== 'string') throw invalidField(`${param}.call_id`, 'is missing');
  const output = textOrParts.safeParse(item.output);
  if (!output.success) throw invalidField(`${param}.output`, 'is no string and no array of parts');
  return {
    id: item.id ?? newId('fco'),
    type: 'function_call_output',
    status: 'completed',
    call_id: item.call_id,
    output: textsOf(output.data, `${param}.output`).join('\n'),
  };
}

/** The turns that items are: what the assistant says and the calls that follow it are one. */
export function messagesOf(items: readonly Item[]): ChatMessage[] {
  const turns: (ChatMessage & { tool_calls?: ToolCall[] })[] = [];
  for (const item of items) {
    const last = turns.at(-1);
    if (item.type === 'function_call_output') {
      turns.push({ role: 'tool', tool_call_id: item.call_id, content: item.output });
    } else if (item.type === 'message') {
      turns.push({
        role: item.role === 'developer' ? 'system' : item.role,
        content: item.content.map(partOf),
      });
    } else if (last?.role === 'assistant') {
      (last.tool_calls ??= []).push(callOf(item));
    } else turns.push({ role: 'assistant', content: '', tool_calls: [callOf(item)] });
  }
  return turns;
}

const partOf = ({ text }: { readonly text: string }): TextPart => ({ type: 'text', text });

/** A call that was cut off, as an answer of limited length may end, had nothing that it could be called with. */
function callOf({ call_id: id, name, arguments: text, status }: CallItem): ToolCall {
  const called = status === 'completed' ? argumentsOf(text, 'input') : {};
  return { id, type: 'function', function: { name, arguments: called } };
}
