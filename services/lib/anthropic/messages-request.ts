import { z } from 'zod';
import type { ChatMessage, TextPart } from '../model/text/chat-template.js';
import type { ToolCall } from '../model/text/tool-turns.js';
import type { ChatRequest } from '../openai/chat-request.js';
import { formOfFormat, type AskedForm } from '../openai/fields/constraints.js';
import { generationFields, validateGeneration, wholeNumber } from '../openai/generation-fields.js';
import { arrayOf, invalidField, parseBody, unsupportedType } from '../openai/parse-body.js';
import { refuseFields, type RefusedFields } from '../openai/fields/refused.js';
import { readTools, type ToolUse } from '../openai/tools.js';
import type { ServedModel } from '../openai/served-model.js';

const rawBlock = z.looseObject({ type: z.string() });
type RawBlock = z.infer<typeof rawBlock>;

const textOrBlocks = z.union([z.string(), arrayOf(rawBlock)], {
  error: 'expected a string or an array of content blocks',
});
const rawMessage = z.looseObject({ role: z.enum(['user', 'assistant']), content: textOrBlocks });

const rawTool = z.looseObject({
  type: z.string().nullish(),
  name: z.string(),
  description: z.string().nullish(),
  input_schema: z.unknown().optional(),
  strict: z.boolean().nullish(),
});
const rawToolChoice = z.looseObject({
  type: z.enum(['auto', 'any', 'tool', 'none']),
  name: z.string().nullish(),
  disable_parallel_tool_use: z.boolean().nullish(),
});

const promptFields = {
  model: generationFields.model,
  messages: arrayOf(rawMessage).refine((messages) => messages.length > 0, 'expected at least one'),
  system: textOrBlocks.nullish(),
  tools: arrayOf(rawTool).nullish(),
  tool_choice: rawToolChoice.nullish(),
};
/** The body of `POST /v1/messages/count_tokens`. */
export const rawCountRequest = z.looseObject(promptFields);
/** The body of `POST /v1/messages`. */
export const rawMessagesRequest = z.looseObject({
  ...promptFields,
  max_tokens: wholeNumber(1),
  stop_sequences: generationFields.stop,
  stream: generationFields.stream,
  temperature: generationFields.temperature,
  top_p: generationFields.top_p,
  top_k: generationFields.top_k,
  output_config: z.looseObject({ format: z.unknown().optional() }).nullish(),
  /** What `output_config.format` was called at first. */
  output_format: z.unknown().optional(),
});

const isEmpty = (value: unknown): boolean => Array.isArray(value) && value.length === 0;
const typeOf = (value: unknown): unknown => (value as { readonly type?: unknown }).type;

/** What would change an answer if it were ignored. */
const refused: RefusedFields = {
  thinking: (value) => typeOf(value) === 'disabled',
  mcp_servers: isEmpty,
  container: () => false,
};

/** The body of `POST /v1/messages`, checked. Throws a ServingError that names the field. */
export function readMessagesRequest(body: unknown, model: ServedModel): ChatRequest {
  const raw = parseBody(rawMessagesRequest, body);
  const prompt = readPrompt(raw);
  const { toolUse } = prompt;
  const sampling = { ...pick(raw), stop: raw.stop_sequences };
  return { ...prompt, settings: validateGeneration(sampling, model, { form: formOf(raw), toolUse }) };
}

function formOf(raw: z.infer<typeof rawMessagesRequest>): AskedForm | null {
  const [now, before] = [raw.output_config?.format ?? null, raw.output_format ?? null];
  if (now !== null && before !== null)
    throw invalidField('output_format', 'is what output_config.format is: send one');
  if (before !== null) return formOfFormat(before, 'output_format');
  return now === null ? null : formOfFormat(now, 'output_config.format');
}

/** Without what is only Anthropic's, whose names may mean something else. */
const pick = ({ max_tokens, stream, temperature, top_p, top_k }: z.infer<typeof rawMessagesRequest>) => ({
  max_tokens,
  stream,
  temperature,
  top_p,
  top_k,
});

/** The body of `POST /v1/messages/count_tokens`, checked. Throws a ServingError that names the field. */
export const readCountRequest = (body: unknown): Omit<ChatRequest, 'settings'> =>
  readPrompt(parseBody(rawCountRequest, body));

/** The assistant goes on with a last turn of its own. */
function readPrompt(raw: z.infer<typeof rawCountRequest>): Omit<ChatRequest, 'settings'> {
  refuseFields(raw, refused);
  const turns = raw.messages.flatMap(turnsOf);
  const toolUse = toolUseOf(raw);
  const system = raw.system ? textsOf(raw.system, 'system') : [];
  const last = turns.at(-1);
  const goesOn = last?.role === 'assistant';
  if (goesOn && last.tool_calls) {
    const param = `messages[${raw.messages.length - 1}].content`;
    throw invalidField(param, 'tool_use blocks need their results after them');
  }
  return {
    messages: [...(system.length > 0 ? [{ role: 'system', content: system }] : []), ...joined(turns)],
    rendering: {
      addGenerationPrompt: !goesOn,
      continueFinalMessage: goesOn,
      tools: toolUse?.tools ?? [],
      variables: {},
    },
    toolUse,
  };
}

/** Tools that Anthropic runs itself have other types. */
function toolUseOf({ tools, tool_choice: choice }: z.infer<typeof rawCountRequest>): ToolUse | null {
  const functions = (tools ?? []).map(
    ({ type, name, description, input_schema: parameters, strict }, index) => {
      if (type && type !== 'custom') throw unsupportedType(`tools[${index}]`, type);
      return { type: 'function', function: { name, description, parameters, strict } };
    },
  );
  return readTools({
    tools: functions,
    tool_choice: choice && CHOICES[choice.type](choice.name),
    parallel_tool_calls: !choice?.disable_parallel_tool_use,
  });
}

const CHOICES = {
  auto: () => 'auto',
  any: () => 'required',
  none: () => 'none',
  tool: (name: unknown) => ({ type: 'function', function: { name } }),
};

interface Turn extends ChatMessage {
  readonly content: readonly TextPart[];
}

/** What a message is in OpenAI's form: results of calls are turns of their own, before what the user says to them. */
function turnsOf({ role, content }: z.infer<typeof rawMessage>, index: number): Turn[] {
  const param = `messages[${index}].content`;
  const blocks = typeof content === 'string' ? [{ type: 'text', text: content }] : content;
  const named = blocks.map((block, number) => [block, `${param}[${number}]`] as const);
  const parts = named.flatMap(([block, name]) => (isText(role, block, name) ? [textOf(block, name)] : []));
  if (role === 'user') {
    const results = named.flatMap(([block, name]) =>
      block.type === 'tool_result' ? [resultOf(block, name)] : [],
    );
    return parts.length > 0 || results.length === 0 ? [...results, { role, content: parts }] : results;
  }
  const calls = named.flatMap(([block, name]) => (block.type === 'tool_use' ? [callOf(block, name)] : []));
  return [{ role, content: parts, ...(calls.length > 0 && { tool_calls: calls }) }];
}

/** Besides text; how another model came to an answer is no part of the conversation. */
const OTHERS = { user: ['tool_result'], assistant: ['tool_use', 'thinking', 'redacted_thinking'] } as const;

function isText(role: keyof typeof OTHERS, { type }: RawBlock, param: string): boolean {
  if (type === 'text') return true;
  if ((OTHERS[role] as readonly string[]).includes(type)) return false;
  throw unsupportedType(param, type);
}

function textOf({ text }: RawBlock, param: string): TextPart {
  if (typeof text !== 'string') throw invalidField(`${param}.text`, 'is missing');
  return { type: 'text', text };
}

/** Of where nothing but text may stand. */
function textsOf(content: z.infer<typeof textOrBlocks>, param: string): TextPart[] {
  if (typeof content === 'string') return [{ type: 'text', text: content }];
  return content.map((block, index) => {
    if (block.type !== 'text') throw unsupportedType(`${param}[${index}]`, block.type);
    return textOf(block, `${param}[${index}]`);
  });
}

function resultOf({ tool_use_id: id, content }: RawBlock, param: string): Turn {
  if (typeof id !== 'string') throw invalidField(`${param}.tool_use_id`, 'is missing');
  const sent = textOrBlocks.nullish().safeParse(content);
  if (!sent.success) throw invalidField(`${param}.content`, 'is no string and no array of content blocks');
  return { role: 'tool', tool_call_id: id, content: textsOf(sent.data ?? '', `${param}.content`) };
}

function callOf({ id, name, input }: RawBlock, param: string): ToolCall {
  if (typeof name !== 'string' || name === '') throw invalidField(`${param}.name`, 'is missing');
  if (typeof input !== 'object' || input === null || Array.isArray(input)) {
    throw invalidField(`${param}.input`, 'is no JSON object');
  }
  const called = { name, arguments: input as Record<string, unknown> };
  return { ...(typeof id === 'string' && { id }), type: 'function', function: called };
}

/** Turns of one role are one, as Anthropic has it: templates refuse roles that do not alternate. */
function joined(turns: readonly Turn[]): ChatMessage[] {
  const whole: { turn: Turn; content: TextPart[] }[] = [];
  for (const turn of turns) {
    const last = whole.at(-1);
    const goesOn = turn.role === last?.turn.role && turn.role !== 'tool' && !last.turn.tool_calls;
    if (!goesOn) {
      whole.push({ turn, content: [...turn.content] });
      continue;
    }
    for (const part of turn.content) last.content.push(part);
    last.turn = turn;
  }
  return whole.map(({ turn, content }) => ({ ...turn, content }));
}
