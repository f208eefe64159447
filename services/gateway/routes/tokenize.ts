import type { RequestHandler } from 'express';
import { encodeChat } from '../../lib/model/text/encode-chat.js';
import { parseTokenizeRequest, validateTokenizeRequest } from '../../lib/openai/tokenize-request.js';
import type { Gateway } from '../gateway.js';

/** `POST /tokenize`: the ids of a text or of a rendered chat, as vLLM has it. */
export function tokenize({ model, text }: Gateway): RequestHandler {
  return (request, response) => {
    const valid = validateTokenizeRequest(parseTokenizeRequest(request.body), model);
    const tokens =
      'prompt' in valid
        ? text.tokenizer.encode(valid.prompt, valid)
        : encodeChat(text, valid.messages, valid).ids;
    response.json({ count: tokens.length, max_model_len: model.contextLength, tokens });
  };
}
