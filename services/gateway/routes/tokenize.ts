import type { RequestHandler } from 'express';
import { renderPrompt } from '../../lib/model/text/render-prompt.js';
import { parseTokenizeRequest, validateTokenizeRequest } from '../../lib/openai/tokenize-request.js';
import type { Gateway } from '../gateway.js';

/** `POST /tokenize`: the ids of a text or of a rendered chat, as vLLM has it. */
export function tokenize({ model, text }: Gateway): RequestHandler {
  return (request, response) => {
    const valid = validateTokenizeRequest(parseTokenizeRequest(request.body), model);
    const prompt =
      'prompt' in valid ? valid.prompt : renderPrompt(text.chatTemplate, valid.messages, valid.rendering);
    const tokens = text.tokenizer.encode(prompt, valid);
    response.json({ count: tokens.length, max_model_len: model.contextLength, tokens });
  };
}
