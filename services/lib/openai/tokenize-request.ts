import { z } from 'zod';
import { ServingError } from '../errors/serving-error.js';
import type { ChatMessage, Rendering } from '../model/text/chat-template.js';
import { arrayOf } from './array-of.js';
import { rawMessages, validateMessages } from './chat-messages.js';
import { requireTokenIds } from './generation-fields.js';
import { parseBody } from './parse-body.js';
import { requireModel, type ServedModel } from './served-model.js';
import { templateFields, validateTemplateFields } from './template-fields.js';

const rawTokenizeRequest = z.looseObject({
  model: z.string().nullish(),
  prompt: z.string().nullish(),
  messages: rawMessages.nullish(),
  add_special_tokens: z.boolean().nullish(),
  ...templateFields,
});
const rawDetokenizeRequest = z.looseObject({
  model: z.string().nullish(),
  tokens: arrayOf(z.int().min(0)),
});
export type RawTokenizeRequest = z.infer<typeof rawTokenizeRequest>;
export type RawDetokenizeRequest = z.infer<typeof rawDetokenizeRequest>;

/** Special tokens are added to a text, and not to a rendered chat, which has its own: vLLM's defaults. */
export type ValidTokenizeRequest = { readonly addSpecialTokens: boolean } & (
  { readonly prompt: string } | { readonly messages: readonly ChatMessage[]; readonly rendering: Rendering }
);

export const parseTokenizeRequest = (body: unknown): RawTokenizeRequest =>
  parseBody(rawTokenizeRequest, body);
export const parseDetokenizeRequest = (body: unknown): RawDetokenizeRequest =>
  parseBody(rawDetokenizeRequest, body);

export function validateTokenizeRequest(raw: RawTokenizeRequest, model: ServedModel): ValidTokenizeRequest {
  requireModel(model, raw.model);
  if (typeof raw.prompt === 'string') {
    return { prompt: raw.prompt, addSpecialTokens: raw.add_special_tokens ?? true };
  }
  if (!raw.messages) {
    throw new ServingError('invalid_value', 'prompt or messages is needed', { param: 'prompt' });
  }
  return {
    messages: validateMessages(raw.messages),
    rendering: validateTemplateFields(raw),
    addSpecialTokens: raw.add_special_tokens ?? false,
  };
}

/** The token ids, all within the vocabulary. */
export function validateDetokenizeRequest(raw: RawDetokenizeRequest, model: ServedModel): readonly number[] {
  requireModel(model, raw.model);
  requireTokenIds(raw.tokens, model, 'tokens');
  return raw.tokens;
}
