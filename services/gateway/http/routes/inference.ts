import type { RequestHandler, Response } from 'express';
import { readChatRequest } from '../../../lib/openai/chat-request.js';
import { chatFormat, completionFormat } from '../../../lib/openai/response-format.js';
import { readCompletionRequest } from '../../../lib/openai/completion-request.js';
import type { GenerationSettings } from '../../../lib/openai/generation-fields.js';
import { constraintOf } from '../../../lib/sampling/params.js';
import { fitContext, outputLimits, type FittedPrompt } from '../../../lib/openai/fit-context.js';
import { abortOnDisconnect } from '../abort-on-disconnect.js';
import { newResponseHead } from '../../answer/choice.js';
import type { Gateway } from '../gateway.js';
import { traceInference } from '../middleware/trace-requests.js';
import type { RequestTrace } from '../../telemetry/request-trace.js';
import { respond } from '../respond.js';
import type { TextResult, TextTask } from '../../text/text-task.js';

/** OpenAI's default of `max_tokens` for completions; without it a chat's answer may fill the context. */
const DEFAULT_MAX_TOKENS = 16;

/** `POST /v1/chat/completions`. */
export function chatCompletions(gateway: Gateway): RequestHandler {
  const { model, inferences } = gateway;
  return async (request, response) => {
    const { messages, rendering, settings } = readChatRequest(request.body, model);
    const timed = request.get('x-layermesh-timing') === 'true';
    const inference = { operation: 'chat', model: model.id, settings } as const;
    await traceInference(inferences, response, inference, async (trace) => {
      // What is to be cut may be as long as it likes.
      const limit = settings.truncatePrompt === null ? gateway.textLimit : null;
      const task = { kind: 'chat', messages, options: rendering, limit } as const;
      const encoded = await tokenize(gateway, response, task, trace);
      trace.prompt(encoded.text);
      const limits = outputLimits(settings, Infinity, gateway.maxTokens);
      const prompts = [fitContext(encoded.ids[0]!, limits, model.contextLength, 'messages')];
      const format = chatFormat(newResponseHead(model, settings));
      const bound = await bindToForm(gateway, response, settings, trace);
      await respond(gateway, response, { prompts, settings: bound, format, timed }, trace);
    });
  };
}

/** `POST /v1/completions`, for one prompt or several. */
export function completions(gateway: Gateway): RequestHandler {
  const { model, inferences } = gateway;
  return async (request, response) => {
    const parsed = readCompletionRequest(request.body, model);
    const { settings } = parsed;
    const limits = outputLimits(settings, DEFAULT_MAX_TOKENS, gateway.maxTokens);
    const timed = request.get('x-layermesh-timing') === 'true';
    const inference = { operation: 'text_completion', model: model.id, settings } as const;
    await traceInference(inferences, response, inference, async (trace) => {
      const texts = parsed.prompts.filter((prompt) => typeof prompt === 'string');
      texts.forEach((prompt) => trace.prompt(prompt));
      // What is to be cut may be as long as it likes.
      const limit = settings.truncatePrompt === null ? gateway.textLimit : null;
      const task = { kind: 'prompts', texts, options: { addSpecialTokens: true }, limit } as const;
      const next = (await tokenize(gateway, response, task, trace)).ids.values();
      const prompts = parsed.prompts.map((prompt): FittedPrompt => {
        const ids = typeof prompt === 'string' ? next.next().value! : prompt;
        return fitContext(ids, limits, model.contextLength, 'prompt');
      });
      const format = completionFormat(newResponseHead(model, settings));
      const bound = await bindToForm(gateway, response, settings, trace);
      await respond(gateway, response, { prompts, settings: bound, format, timed }, trace);
    });
  };
}

/** The settings with the constraint that their form makes, if there is any. Throws `invalid_grammar`, `unsupported_schema`. */
export async function bindToForm(
  { constraintSources }: Gateway,
  response: Response,
  settings: GenerationSettings,
  trace: RequestTrace,
): Promise<GenerationSettings> {
  const { form, sampling } = settings;
  if (form === null) return settings;
  const { signal } = abortOnDisconnect(response);
  const source = await trace.measure('tokenize', () => constraintSources.of(form, signal));
  return { ...settings, sampling: { ...sampling, constraint: constraintOf(source, sampling.stopIds) } };
}

const tokenize = (
  { textWork }: Gateway,
  response: Response,
  task: TextTask,
  trace: RequestTrace,
): Promise<TextResult> =>
  trace.measure('tokenize', () => textWork.run(task, abortOnDisconnect(response).signal));
