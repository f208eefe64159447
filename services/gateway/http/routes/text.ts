import type { RequestHandler } from 'express';
import { readDetokenizeRequest, readTokenizeRequest } from '../../../lib/openai/tokenize-request.js';
import { abortOnDisconnect } from '../abort-on-disconnect.js';
import type { Gateway } from '../gateway.js';
import { servingOf } from '../serving-of.js';
import type { TextTask } from '../../text/text-task.js';

/** `POST /tokenize`: the ids of a text or of a rendered chat, as vLLM has it. */
export function tokenize(gateway: Gateway): RequestHandler {
  return async (request, response) => {
    const { model, textWork } = servingOf(gateway, request.body, response);
    const valid = readTokenizeRequest(request.body, model);
    const { addSpecialTokens } = valid;
    const task: TextTask =
      'prompt' in valid
        ? { kind: 'prompts', texts: [valid.prompt], options: { addSpecialTokens }, limit: null }
        : {
            kind: 'chat',
            messages: valid.messages,
            options: { ...valid.rendering, addSpecialTokens },
            limit: null,
          };
    const { ids } = await textWork.run(task, abortOnDisconnect(response).signal);
    const tokens = ids[0]!;
    response.json({ count: tokens.length, max_model_len: model.contextLength, tokens });
  };
}

/** `POST /detokenize`: the text of token ids, special tokens included, as vLLM has it. */
export function detokenize(gateway: Gateway): RequestHandler {
  return async (request, response) => {
    const { model, textWork } = servingOf(gateway, request.body, response);
    const tokens = readDetokenizeRequest(request.body, model);
    const { signal } = abortOnDisconnect(response);
    const { text } = await textWork.run({ kind: 'decode', ids: tokens }, signal);
    response.json({ prompt: text });
  };
}
