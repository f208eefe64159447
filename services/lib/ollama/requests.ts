import { z } from 'zod';
import type { ChatMessage } from '../model/text/chat-template.js';
import type { ChatRequest } from '../openai/chat-request.js';
import type { CompletionRequest } from '../openai/completion-request.js';
import { readForm } from '../openai/fields/constraints.js';
import { generationFields, validateGeneration, wholeNumber } from '../openai/generation-fields.js';
import { arrayOf, parseBody } from '../openai/parse-body.js';
import { refuseFields, type RefusedFields } from '../openai/fields/refused.js';
import { toolFields, validateTools, type ToolUse } from '../openai/tools.js';
import type { ServedModel } from '../openai/served-model.js';

const { repetition_penalty, temperature, top_p, top_k, min_p, seed, stop } = generationFields;
const { presence_penalty, frequency_penalty } = generationFields;

/** Those that say how to sample; the rest says how Ollama is to run a model, and is not this mesh's to decide. */
const options = z.looseObject({
  temperature,
  top_p,
  top_k,
  min_p,
  seed,
  stop,
  presence_penalty,
  frequency_penalty,
  repeat_penalty: repetition_penalty,
  /** -1 and -2, and 0: as many as there is room for. */
  num_predict: wholeNumber(-2).nullish(),
});

const commonFields = {
  model: z.string().nullish(),
  stream: z.boolean().nullish(),
  options: options.nullish(),
  /** "json", or a JSON schema. */
  format: z.unknown().optional(),
};
const rawCall = z.looseObject({
  id: z.string().nullish(),
  function: z.looseObject({
    name: z.string().min(1),
    arguments: z.record(z.string(), z.unknown()).nullish(),
  }),
});
const rawMessage = z.looseObject({
  role: z.enum(['system', 'user', 'assistant', 'tool']),
  content: z.string().nullish(),
  tool_calls: arrayOf(rawCall).nullish(),
  tool_name: z.string().nullish(),
  tool_call_id: z.string().nullish(),
});

/** The body of `POST /api/chat`. */
export const rawOllamaChat = z.looseObject({
  ...commonFields,
  messages: arrayOf(rawMessage).nullish(),
  tools: toolFields.tools,
});
/** The body of `POST /api/generate`. */
export const rawOllamaGenerate = z.looseObject({
  ...commonFields,
  prompt: z.string().nullish(),
  system: z.string().nullish(),
  raw: z.boolean().nullish(),
});
/** The body of `POST /api/show`, in which older clients say `name`. */
export const rawOllamaShow = z.looseObject({ model: z.string().nullish(), name: z.string().nullish() });

const isEmpty = (value: unknown): boolean =>
  value === '' || (typeof value === 'object' && value !== null && Object.keys(value).length === 0);
const isOff = (value: unknown): boolean => value === false || value === 0;

/** What would change an answer if it were ignored. */
const refused: RefusedFields = {
  images: isEmpty,
  think: isOff,
  logprobs: isOff,
  top_logprobs: isOff,
  template: isEmpty,
  suffix: isEmpty,
  /** What an older Ollama remembered a conversation by. */
  context: isEmpty,
};

/** A request, and the name that it gave the model, which answers repeat. */
export interface Asked<Request> {
  readonly name: string;
  /** Null: nothing is asked but that the model be loaded, as it always is. */
  readonly request: Request | null;
}

/** The body of `POST /api/chat`, checked. Throws a ServingError that names the field. */
export function readOllamaChat(body: unknown, model: ServedModel): Asked<ChatRequest> {
  const raw = parseBody(rawOllamaChat, body);
  const name = raw.model ?? model.id;
  refuseFields(raw, refused);
  const messages = raw.messages ?? [];
  messages.forEach((message, index) => refuseImages(message, `messages[${index}]`));
  if (messages.length === 0) return { name, request: null };
  const toolUse = validateTools({ tools: raw.tools });
  return { name, request: chatOf(messages.map(turnOf), settingsOf(raw, model, toolUse), toolUse) };
}

/** The body of `POST /api/generate`, checked: a question, or with `raw` a text to go on with. Throws as above. */
export function readOllamaGenerate(
  body: unknown,
  model: ServedModel,
): Asked<{ readonly chat: ChatRequest } | { readonly texts: CompletionRequest }> {
  const raw = parseBody(rawOllamaGenerate, body);
  const name = raw.model ?? model.id;
  refuseFields(raw, refused);
  if (!raw.prompt) return { name, request: null };
  const settings = settingsOf(raw, model);
  if (raw.raw) return { name, request: { texts: { prompts: [raw.prompt], settings } } };
  const system = raw.system ? [{ role: 'system', content: raw.system }] : [];
  const chat = chatOf([...system, { role: 'user', content: raw.prompt }], settings);
  return { name, request: { chat: { ...chat, field: 'prompt' } } };
}

/** The name of a model in the body of `POST /api/show`; null where it names none. */
export function readOllamaShow(body: unknown): string | null {
  const raw = parseBody(rawOllamaShow, body);
  return raw.model ?? raw.name ?? null;
}

/** The assistant goes on with a last turn of its own. */
function chatOf(
  messages: readonly ChatMessage[],
  settings: ChatRequest['settings'],
  toolUse: ToolUse | null = null,
): ChatRequest {
  const goesOn = messages.at(-1)!.role === 'assistant';
  return {
    messages,
    rendering: {
      addGenerationPrompt: !goesOn,
      continueFinalMessage: goesOn,
      tools: toolUse?.tools ?? [],
      variables: {},
    },
    toolUse,
    settings,
  };
}

/** Older clients know no ids: a result is that of the latest call. */
function turnOf({ role, content, tool_calls: calls, ...message }: z.infer<typeof rawMessage>): ChatMessage {
  const { tool_name: name, tool_call_id: id } = message;
  return {
    role,
    content: content ?? '',
    ...(name && { name }),
    ...(id && { tool_call_id: id }),
    ...(calls?.length && {
      tool_calls: calls.map(({ id: callId, function: called }) => ({
        ...(callId && { id: callId }),
        type: 'function' as const,
        function: { name: called.name, arguments: called.arguments ?? {} },
      })),
    }),
  };
}

function refuseImages(message: Readonly<Record<string, unknown>>, param: string): void {
  refuseFields({ [`${param}.images`]: message.images }, { [`${param}.images`]: isEmpty });
}

function settingsOf(
  raw: z.infer<z.ZodObject<typeof commonFields>>,
  model: ServedModel,
  toolUse: ToolUse | null = null,
): ChatRequest['settings'] {
  const { num_predict: length, repeat_penalty: penalty, ...asked } = raw.options ?? {};
  const sampling = {
    temperature: asked.temperature,
    top_p: asked.top_p,
    top_k: asked.top_k,
    min_p: asked.min_p,
    seed: asked.seed,
    stop: asked.stop,
    presence_penalty: asked.presence_penalty,
    frequency_penalty: asked.frequency_penalty,
    repetition_penalty: penalty,
    max_tokens: (length ?? 0) > 0 ? length : null,
  };
  const form = readForm({ format: raw.format });
  return validateGeneration({ ...sampling, stream: raw.stream ?? true }, model, { form, toolUse });
}
