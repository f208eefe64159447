import { z } from 'zod';
import type { ChatMessage, Rendering } from '../model/text/chat-template.js';
import { rawMessages, validateMessages } from './chat-messages.js';
import { generationFields, validateGeneration, type GenerationSettings } from './generation-fields.js';
import { parseBody } from './parse-body.js';
import { refuseFields, refusedInChat } from './refused-fields.js';
import { requireModel, type ServedModel } from './served-model.js';
import { templateFields, validateTemplateFields } from './template-fields.js';

const rawChatRequest = z.looseObject({
  ...generationFields,
  ...templateFields,
  messages: rawMessages,
});
export type RawChatRequest = z.infer<typeof rawChatRequest>;

export interface ValidChatRequest {
  readonly messages: readonly ChatMessage[];
  readonly rendering: Rendering;
  readonly settings: GenerationSettings;
}

/** The body of `POST /v1/chat/completions` in the right types, its values still unchecked. */
export const parseChatRequest = (body: unknown): RawChatRequest => parseBody(rawChatRequest, body);

/** Throws a ServingError that names the field. */
export function validateChatRequest(raw: RawChatRequest, model: ServedModel): ValidChatRequest {
  requireModel(model, raw.model);
  refuseFields(raw, refusedInChat);
  return {
    messages: validateMessages(raw.messages),
    rendering: validateTemplateFields(raw),
    settings: validateGeneration(raw, model),
  };
}
