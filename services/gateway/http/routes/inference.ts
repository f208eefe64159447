import type { RequestHandler, Response } from 'express';
import type { Rendering } from '../../../lib/model/text/chat-template.js';
import { toolStyleOf, type ToolStyle } from '../../../lib/model/text/tool-style.js';
import { readChatRequest } from '../../../lib/openai/chat-request.js';
import { chatFormat, completionFormat } from '../../../lib/openai/response-format.js';
import { readCompletionRequest } from '../../../lib/openai/completion-request.js';
import { fitContext, outputLimits, type FittedPrompt } from '../../../lib/openai/fit-context.js';
import { abortOnDisconnect } from '../abort-on-disconnect.js';
import { newResponseHead } from '../../answer/choice.js';
import { callReading } from '../../answer/tool-output.js';
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
    const { messages, rendering, toolUse, settings } = readChatRequest(request.body, model);
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
      const calls = callReading(toolUse, styleOf(gateway, rendering));
      await respond(gateway, response, { prompts, settings, format, calls, timed }, trace);
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
      await respond(gateway, response, { prompts, settings, format, calls: null, timed }, trace);
    });
  };
}

/** How the model of a chat calls tools: as its template says, or that of the request. */
const styleOf = ({ text }: Gateway, { chatTemplate }: Rendering): ToolStyle =>
  chatTemplate === undefined ? text.chatTemplate.toolStyle : toolStyleOf(chatTemplate);

const tokenize = (
  { textWork }: Gateway,
  response: Response,
  task: TextTask,
  trace: RequestTrace,
): Promise<TextResult> =>
  trace.measure('tokenize', () => textWork.run(task, abortOnDisconnect(response).signal));
