import { z } from 'zod';
import type { ChatRequest } from '../chat-request.js';
import { formOfFormat } from '../fields/constraints.js';
import { generationFields, validateGeneration, wholeNumber } from '../generation-fields.js';
import { arrayOf, invalidField, parseBody, unsupportedType } from '../parse-body.js';
import { refuseFields, type RefusedFields } from '../fields/refused.js';
import { readTools, type ToolUse } from '../tools.js';
import type { ServedModel } from '../served-model.js';
import { itemsOf, messagesOf, rawInput, type Item } from './items.js';

const { model, stream, temperature, top_p, top_k, min_p, seed, stop, cache_salt } = generationFields;
const { presence_penalty, frequency_penalty, repetition_penalty } = generationFields;

/** OpenAI's flat form; what its servers run themselves has other types. */
const rawTool = z.looseObject({
  type: z.string(),
  name: z.string().nullish(),
  description: z.string().nullish(),
  parameters: z.unknown().optional(),
  strict: z.boolean().nullish(),
});
const rawChoice = z.looseObject({ type: z.string(), name: z.string().nullish() });

/** The body of `POST /v1/responses`. */
export const rawResponsesRequest = z.looseObject({
  input: rawInput,
  instructions: z.string().nullish(),
  previous_response_id: z.string().nullish(),
  store: z.boolean().nullish(),
  background: z.boolean().nullish(),
  max_output_tokens: wholeNumber(1).nullish(),
  metadata: z.record(z.string().max(64), z.string().max(512)).nullish(),
  tools: arrayOf(rawTool).nullish(),
  tool_choice: z
    .union([z.string(), rawChoice], { error: 'expected none, auto, required or a function' })
    .nullish(),
  parallel_tool_calls: z.boolean().nullish(),
  include: arrayOf(z.string()).nullish(),
  text: z.looseObject({ format: z.looseObject({ type: z.string() }).nullish() }).nullish(),
  ...{ model, stream, temperature, top_p, top_k, min_p, seed, stop, cache_salt },
  ...{ presence_penalty, frequency_penalty, repetition_penalty },
});
type RawResponsesRequest = z.infer<typeof rawResponsesRequest>;

const isEmpty = (value: unknown): boolean => Array.isArray(value) && value.length === 0;
const never = (): boolean => false;

/** What would change an answer if it were ignored. */
const refused: RefusedFields = {
  top_logprobs: (value) => value === 0,
  include: (value) => !(value as readonly string[]).includes('message.output_text.logprobs'),
  truncation: (value) => value === 'disabled',
  conversation: never,
  prompt: never,
  context_management: isEmpty,
};

/** What is to be answered, and what of it is kept. */
export interface ResponsesRequest {
  readonly input: readonly Item[];
  readonly instructions: string | null;
  readonly previous: string | null;
  readonly store: boolean;
  readonly background: boolean;
  readonly toolUse: ToolUse | null;
  readonly settings: ChatRequest['settings'];
  /** What the response says of its request. */
  readonly echo: Echo;
}

/** What a response says of its request, whatever becomes of it. */
export type Echo = Readonly<Record<string, unknown>>;

/** The body of `POST /v1/responses`, checked. Throws a ServingError that names the field. */
export function readResponsesRequest(body: unknown, served: ServedModel): ResponsesRequest {
  const raw = parseBody(rawResponsesRequest, body);
  refuseFields(raw, refused);
  const store = raw.store ?? true;
  const background = raw.background ?? false;
  if (background && !store) throw invalidField('background', 'needs store: it is asked for later');
  if (background && raw.stream) throw invalidField('background', 'and stream cannot both be true');
  const input = itemsOf(raw.input);
  if (input.length === 0 && !raw.previous_response_id) throw invalidField('input', 'has nothing to answer');
  const toolUse = toolUseOf(raw);
  const settings = settingsOf(raw, served, toolUse);
  return {
    input,
    instructions: raw.instructions ?? null,
    previous: raw.previous_response_id ?? null,
    store,
    background,
    toolUse,
    settings,
    echo: echoOf(raw, settings, { store, background }),
  };
}

/** What a request asks of a conversation: what was said before it, and its input. */
export function chatOf(request: ResponsesRequest, before: readonly Item[]): ChatRequest {
  const { instructions, input, toolUse, settings } = request;
  const system = instructions === null ? [] : [{ role: 'system', content: instructions }];
  return {
    messages: [...system, ...messagesOf([...before, ...input])],
    field: 'input',
    rendering: {
      addGenerationPrompt: true,
      continueFinalMessage: false,
      tools: toolUse?.tools ?? [],
      variables: {},
    },
    toolUse,
    settings,
  };
}

function toolUseOf(raw: RawResponsesRequest): ToolUse | null {
  const { tools, tool_choice: choice, parallel_tool_calls } = raw;
  const functions = (tools ?? []).map(({ type, ...called }, index) => {
    if (type !== 'function') throw unsupportedType(`tools[${index}]`, type);
    return { type, function: called };
  });
  if (typeof choice === 'object' && choice !== null && choice.type !== 'function') {
    throw unsupportedType('tool_choice', choice.type);
  }
  const named = typeof choice === 'object' && choice && { type: 'function', function: { name: choice.name } };
  return readTools({ tools: functions, tool_choice: named || choice, parallel_tool_calls });
}

function settingsOf(
  raw: RawResponsesRequest,
  served: ServedModel,
  toolUse: ToolUse | null,
): ChatRequest['settings'] {
  const { stream, temperature, top_p, top_k, min_p, seed, stop, cache_salt } = raw;
  const { presence_penalty, frequency_penalty, repetition_penalty } = raw;
  const penalties = { presence_penalty, frequency_penalty, repetition_penalty };
  const sampling = { temperature, top_p, top_k, min_p, seed, stop, ...penalties };
  const format = raw.text?.format ?? null;
  return validateGeneration({ ...sampling, stream, cache_salt, max_tokens: raw.max_output_tokens }, served, {
    form: format === null ? null : formOfFormat(format, 'text.format'),
    toolUse,
  });
}

const echoOf = (
  raw: RawResponsesRequest,
  { sampling }: ChatRequest['settings'],
  modes: { readonly store: boolean; readonly background: boolean },
): Echo => ({
  ...modes,
  instructions: raw.instructions ?? null,
  max_output_tokens: raw.max_output_tokens ?? null,
  metadata: raw.metadata ?? {},
  parallel_tool_calls: raw.parallel_tool_calls ?? true,
  previous_response_id: raw.previous_response_id ?? null,
  reasoning: { effort: null, summary: null },
  temperature: sampling.temperature,
  text: { format: raw.text?.format ?? { type: 'text' } },
  tool_choice: raw.tool_choice ?? 'auto',
  tools: raw.tools ?? [],
  top_p: sampling.topP,
  truncation: 'disabled',
});
