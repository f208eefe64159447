import type { RequestHandler } from 'express';
import { readCompletionRequest } from '../../lib/openai/completion-request.js';
import { completionFormat } from '../../lib/openai/response-format.js';
import { fitContext, outputLimits, type FittedPrompt } from '../../lib/openai/fit-context.js';
import { abortOnDisconnect } from '../abort-on-disconnect.js';
import type { Gateway } from '../gateway.js';
import { traceInference } from '../trace-inference.js';
import { respond } from '../respond.js';
import { newResponseHead } from '../response-head.js';

/** OpenAI's default for this endpoint. */
const DEFAULT_MAX_TOKENS = 16;

/** `POST /v1/completions`, for one prompt or several. */
export function completions(gateway: Gateway): RequestHandler {
  const { model, textWork } = gateway;
  return async (request, response) => {
    const { prompts, settings } = readCompletionRequest(request.body, model);
    const limits = outputLimits(settings, DEFAULT_MAX_TOKENS, gateway.maxTokens);
    const timed = request.get('x-layermesh-timing') === 'true';
    const inference = { operation: 'text_completion', model: model.id, settings } as const;
    await traceInference(gateway.inferences, response, inference, async (trace) => {
      const texts = prompts.filter((prompt) => typeof prompt === 'string');
      texts.forEach((prompt) => trace.prompt(prompt));
      const options = { addSpecialTokens: true };
      const { signal } = abortOnDisconnect(response);
      // What is to be cut may be as long as it likes.
      const limit = settings.truncatePrompt === null ? gateway.textLimit : null;
      const encoded = await trace.measure('tokenize', () =>
        textWork.run({ kind: 'prompts', texts, options, limit }, signal),
      );
      const next = encoded.ids.values();
      const planned = prompts.map((prompt): FittedPrompt => {
        const ids = typeof prompt === 'string' ? next.next().value! : prompt;
        return fitContext(ids, limits, model.contextLength, 'prompt');
      });
      const format = completionFormat(newResponseHead(model, settings));
      await respond(gateway, response, { prompts: planned, settings, format, timed }, trace);
    });
  };
}
