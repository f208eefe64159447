import type { RequestHandler } from 'express';
import { parseCompletionRequest, validateCompletionRequest } from '../../lib/openai/completion-request.js';
import { completionFormat } from '../../lib/openai/completion-response.js';
import { fitContext } from '../../lib/openai/fit-context.js';
import type { PlannedPrompt } from '../choice.js';
import type { Gateway } from '../gateway.js';
import { respond } from '../respond.js';
import { newResponseHead } from '../response-head.js';

/** OpenAI's default for this endpoint. */
const DEFAULT_MAX_TOKENS = 16;

/** `POST /v1/completions`, for one prompt or several. */
export function completions(gateway: Gateway): RequestHandler {
  const { model, text } = gateway;
  return async (request, response) => {
    const { prompts, settings } = validateCompletionRequest(parseCompletionRequest(request.body), model);
    const limits = {
      requested: settings.maxTokens,
      fallback: DEFAULT_MAX_TOKENS,
      minTokens: settings.sampling.minTokens,
    };
    const planned = prompts.map((prompt): PlannedPrompt => {
      const ids =
        typeof prompt === 'string' ? text.tokenizer.encode(prompt, { addSpecialTokens: true }) : prompt;
      return { ids, maxTokens: fitContext(ids.length, limits, model.contextLength, 'prompt') };
    });
    const format = completionFormat(newResponseHead(model, settings));
    await respond(gateway, response, { prompts: planned, settings, format });
  };
}
