import { z } from 'zod';
import { ServingError } from '../errors/serving-error.js';
import type { ChatMessage, Rendering } from '../model/text/chat-template.js';
import { parseBody, tokenIds } from './parse-body.js';
import { templateFields, validateTemplateFields } from './chat-request.js';
import { requireTokenIds } from './generation-fields.js';
import { rawMessages, validateMessages } from './fields/messages.js';
import type { ServedModel } from './served-model.js';
import { toolFields, validateTools } from './tools.js';

export const rawTokenizeRequest = z.looseObject({
  model: z.string().nullish(),
  prompt: z.string().nullish(),
  messages: rawMessages.nullish(),
  add_special_tokens: z.boolean().nullish(),
  ...templateFields,
  tools: toolFields.tools,
});
export const rawDetokenizeRequest = z.looseObject({
  model: z.string().nullish(),
  tokens: tokenIds,
});

/** Special tokens are added to a text, and not to a rendered chat, which has its own: vLLM's defaults. */
type TokenizeRequest = { readonly addSpecialTokens: boolean } & (
  | { readonly prompt: string }
  | { readonly messages: readonly ChatMessage[]; readonly rendering: Rendering }
);

/** The body of `POST /tokenize`, checked. Throws a ServingError that names the field. */
export function readTokenizeRequest(body: unknown, model: ServedModel): TokenizeRequest {
  const raw = parseBody(rawTokenizeRequest, body);
  if (typeof raw.prompt === 'string') {
    return { prompt: raw.prompt, addSpecialTokens: raw.add_special_tokens ?? true };
  }
  if (!raw.messages) {
    throw new ServingError('invalid_value', 'prompt or messages is needed', { param: 'prompt' });
  }
  return {
    messages: validateMessages(raw.messages),
    rendering: { ...validateTemplateFields(raw, model), tools: validateTools(raw)?.tools ?? [] },
    addSpecialTokens: raw.add_special_tokens ?? false,
  };
}

/** The token ids of the body of `POST /detokenize`, all within the vocabulary. */
export function readDetokenizeRequest(body: unknown, model: ServedModel): readonly number[] {
  const raw = parseBody(rawDetokenizeRequest, body);
  requireTokenIds(raw.tokens, model, 'tokens');
  return raw.tokens;
}
