import type { RequestHandler } from 'express';
import { readChatRequest } from '../../lib/openai/chat-request.js';
import { chatFormat } from '../../lib/openai/response-format.js';
import { fitContext, outputLimits } from '../../lib/openai/fit-context.js';
import { abortOnDisconnect } from '../abort-on-disconnect.js';
import type { Gateway } from '../gateway.js';
import { traceInference } from '../trace-inference.js';
import { respond } from '../respond.js';
import { newResponseHead } from '../response-head.js';

/** `POST /v1/chat/completions`. Without `max_tokens` an answer may fill the context. */
export function chatCompletions(gateway: Gateway): RequestHandler {
  const { model, textWork } = gateway;
  return async (request, response) => {
    const { messages, rendering, settings } = readChatRequest(request.body, model);
    const timed = request.get('x-layermesh-timing') === 'true';
    const inference = { operation: 'chat', model: model.id, settings } as const;
    await traceInference(gateway.inferences, response, inference, async (trace) => {
      const { signal } = abortOnDisconnect(response);
      // What is to be cut may be as long as it likes.
      const limit = settings.truncatePrompt === null ? gateway.textLimit : null;
      const encoded = await trace.measure('tokenize', () =>
        textWork.run({ kind: 'chat', messages, options: rendering, limit }, signal),
      );
      trace.prompt(encoded.text);
      const limits = outputLimits(settings, Infinity, gateway.maxTokens);
      const prompt = fitContext(encoded.ids[0]!, limits, model.contextLength, 'messages');
      const format = chatFormat(newResponseHead(model, settings));
      await respond(gateway, response, { prompts: [prompt], settings, format, timed }, trace);
    });
  };
}
