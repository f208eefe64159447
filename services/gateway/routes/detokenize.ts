import type { RequestHandler } from 'express';
import { readDetokenizeRequest } from '../../lib/openai/tokenize-request.js';
import { abortOnDisconnect } from '../abort-on-disconnect.js';
import type { Gateway } from '../gateway.js';

/** `POST /detokenize`: the text of token ids, special tokens included, as vLLM has it. */
export function detokenize({ model, textWork }: Gateway): RequestHandler {
  return async (request, response) => {
    const tokens = readDetokenizeRequest(request.body, model);
    const { signal } = abortOnDisconnect(response);
    const { text } = await textWork.run({ kind: 'decode', ids: tokens }, signal);
    response.json({ prompt: text });
  };
}
