import type { RequestHandler } from 'express';
import { parseDetokenizeRequest, validateDetokenizeRequest } from '../../lib/openai/tokenize-request.js';
import type { Gateway } from '../gateway.js';

/** `POST /detokenize`: the text of token ids, special tokens included, as vLLM has it. */
export function detokenize({ model, text }: Gateway): RequestHandler {
  return (request, response) => {
    const tokens = validateDetokenizeRequest(parseDetokenizeRequest(request.body), model);
    response.json({ prompt: text.tokenizer.decode(tokens, { skipSpecialTokens: false }) });
  };
}
