import { z } from 'zod';
import { ServingError } from '../errors/serving-error.js';
import type { ChatMessage, Rendering } from '../model/text/chat-template.js';
import { readForm } from './fields/constraints.js';
import type { PromptField } from './fit-context.js';
import { generationFields, validateGeneration, type GenerationSettings } from './generation-fields.js';
import { chatLogprobFields, chatLogprobs } from './fields/logprobs.js';
import { rawMessages, validateMessages } from './fields/messages.js';
import { parseBody } from './parse-body.js';
import { refuseFields, refusedInChat } from './fields/refused.js';
import type { ServedModel } from './served-model.js';
import { toolFields, validateTools, type ToolUse } from './tools.js';

/** Characters; the longest of models known are a third of it. */
const MAX_TEMPLATE = 64 << 10;

/** The fields about how messages become a prompt, as vLLM has them. */
export const templateFields = {
  add_generation_prompt: z.boolean().nullish(),
  continue_final_message: z.boolean().nullish(),
  chat_template: z.string().max(MAX_TEMPLATE).nullish(),
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

/**
 * Throws `invalid_value` for fields that contradict each other, and for variables that are not the client's to set;
 * `unsupported_parameter` for a template, which is a program, where the operator does not take any.
 */
export function validateTemplateFields(raw: RawTemplateFields, model: ServedModel): Rendering {
  const continueFinalMessage = raw.continue_final_message ?? false;
  if (continueFinalMessage && raw.add_generation_prompt === true) {
    const problem = 'continue_final_message and add_generation_prompt cannot both be true';
    throw new ServingError('invalid_value', problem, { param: 'continue_final_message' });
  }
  const template = raw.chat_template || null;
  if (template !== null && !model.takesTemplates) {
    throw new ServingError('unsupported_parameter', 'chat_template is not taken from requests', {
      param: 'chat_template',
      hint: 'remove it; operators who trust their clients set LAYERMESH_TRUST_REQUEST_CHAT_TEMPLATE=yes',
    });
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
    ...(template !== null && { chatTemplate: template }),
  };
}

export const rawChatRequest = z.looseObject({
  ...generationFields,
  ...templateFields,
  ...chatLogprobFields,
  ...toolFields,
  messages: rawMessages,
});

export interface ChatRequest {
  readonly messages: readonly ChatMessage[];
  /** What the request says them in, where that is not `messages`. */
  readonly field?: PromptField;
  /** Tells of the tools, too. */
  readonly rendering: Rendering;
  readonly toolUse: ToolUse | null;
  readonly settings: GenerationSettings;
}

/** The body of `POST /v1/chat/completions`, checked. Throws a ServingError that names the field. */
export function readChatRequest(body: unknown, model: ServedModel): ChatRequest {
  const raw = parseBody(rawChatRequest, body);
  refuseFields(raw, refusedInChat);
  const toolUse = validateTools(raw);
  return {
    messages: validateMessages(raw.messages),
    rendering: { ...validateTemplateFields(raw, model), tools: toolUse?.tools ?? [] },
    toolUse,
    settings: validateGeneration(raw, model, {
      logprobs: chatLogprobs(raw, model),
      form: readForm(raw),
      toolUse,
    }),
  };
}
