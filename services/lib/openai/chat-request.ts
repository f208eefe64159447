import { z } from 'zod';
import { ServingError } from '../errors/serving-error.js';
import type { ChatMessage, Rendering, TextPart } from '../model/text/chat-template.js';
import { readForm } from './constraint-fields.js';
import { generationFields, validateGeneration, type GenerationSettings } from './generation-fields.js';
import { chatLogprobFields, chatLogprobs } from './logprob-fields.js';
import { parseBody, arrayOf } from './parse-body.js';
import { refuseFields, refusedInChat } from './refused-fields.js';
import { requireModel, type ServedModel } from './served-model.js';

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

/** The fields about how messages become a prompt, as vLLM has them. */
export const templateFields = {
  add_generation_prompt: z.boolean().nullish(),
  continue_final_message: z.boolean().nullish(),
  chat_template_kwargs: z
    .record(z.string().regex(/^[A-Za-z_]\w*$/, "expected a variable's name"), z.unknown())
    .nullish(),
};
type RawTemplateFields = z.infer<z.ZodObject<typeof templateFields>>;

/** More than any template reads, and little enough to hand about. */
const MAX_VARIABLES_BYTES = 16 << 10;

/** What the request says in fields of its own, or what a template relies on. */
const RESERVED = new RegExp(
  '^(messages|tools|documents|chat_template|tokenize|add_generation_prompt|continue_final_message' +
    '|[a-z]+_token|raise_exception|strftime_now|range|[Tt]rue|[Ff]alse|[Nn]one)$',
);

/** Throws `invalid_value` for fields that contradict each other, and for variables that are not the client's to set. */
export function validateTemplateFields(raw: RawTemplateFields): Rendering {
  const continueFinalMessage = raw.continue_final_message ?? false;
  if (continueFinalMessage && raw.add_generation_prompt === true) {
    const problem = 'continue_final_message and add_generation_prompt cannot both be true';
    throw new ServingError('invalid_value', problem, { param: 'continue_final_message' });
  }
  const variables = raw.chat_template_kwargs ?? {};
  const param = 'chat_template_kwargs';
  if (JSON.stringify(variables).length > MAX_VARIABLES_BYTES) {
    throw new ServingError('invalid_value', `${param} is larger than ${MAX_VARIABLES_BYTES} characters`, {
      param,
    });
  }
  const reserved = Object.keys(variables).find((name) => RESERVED.test(name));
  if (reserved !== undefined) {
    const field = `${param}.${reserved}`;
    throw new ServingError('invalid_value', `${field} is not for a request to set`, { param: field });
  }
  return {
    addGenerationPrompt: raw.add_generation_prompt ?? !continueFinalMessage,
    continueFinalMessage,
    variables,
  };
}

const rawChatRequest = z.looseObject({
  ...generationFields,
  ...templateFields,
  ...chatLogprobFields,
  messages: rawMessages,
});

export interface ChatRequest {
  readonly messages: readonly ChatMessage[];
  readonly rendering: Rendering;
  readonly settings: GenerationSettings;
}

/** The body of `POST /v1/chat/completions`, checked. Throws a ServingError that names the field. */
export function readChatRequest(body: unknown, model: ServedModel): ChatRequest {
  const raw = parseBody(rawChatRequest, body);
  requireModel(model, raw.model);
  refuseFields(raw, refusedInChat);
  return {
    messages: validateMessages(raw.messages),
    rendering: validateTemplateFields(raw),
    settings: validateGeneration(raw, model, {
      logprobs: chatLogprobs(raw, model),
      form: readForm(raw),
    }),
  };
}
