import type { RequestHandler } from 'express';
import { parseChatRequest, validateChatRequest } from '../../lib/openai/chat-request.js';
import { chatFormat } from '../../lib/openai/chat-response.js';
import { fitContext } from '../../lib/openai/fit-context.js';
import type { Gateway } from '../gateway.js';
import { respond } from '../respond.js';
import { newResponseHead } from '../response-head.js';

/** `POST /v1/chat/completions`. Without `max_tokens` an answer may fill the context. */
export function chatCompletions(gateway: Gateway): RequestHandler {
  const { model, text } = gateway;
  return async (request, response) => {
    const { messages, settings } = validateChatRequest(parseChatRequest(request.body), model);
    const prompt = text.chatTemplate.render(messages, { addGenerationPrompt: true });
    const ids = text.tokenizer.encode(prompt, { addSpecialTokens: false });
    const limits = {
      requested: settings.maxTokens,
      fallback: Infinity,
      minTokens: settings.sampling.minTokens,
    };
    const maxTokens = fitContext(ids.length, limits, model.contextLength, 'messages');
    const format = chatFormat(newResponseHead(model, settings));
    await respond(gateway, response, { prompts: [{ ids, maxTokens }], settings, format });
  };
}
