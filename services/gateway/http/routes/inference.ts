import type { RequestHandler, Response } from 'express';
import { ServingError } from '../../../lib/errors/serving-error.js';
import type { Rendering } from '../../../lib/model/text/chat-template.js';
import { toolStyleOf, type ToolStyle } from '../../../lib/model/text/tool-style.js';
import { readChatRequest, type ChatRequest } from '../../../lib/openai/chat-request.js';
import { chatFormat, completionFormat } from '../../../lib/openai/response-format.js';
import { readCompletionRequest, type CompletionRequest } from '../../../lib/openai/completion-request.js';
import type { GenerationSettings } from '../../../lib/openai/generation-fields.js';
import { formOfAnswer } from '../../../lib/openai/tools.js';
import { constraintOf } from '../../../lib/sampling/params.js';
import {
  fitContext,
  outputLimits,
  type FittedPrompt,
  type PromptField,
} from '../../../lib/openai/fit-context.js';
import { abortOnDisconnect } from '../abort-on-disconnect.js';
import { newResponseHead, planOf, type GenerationPlan } from '../../answer/choice.js';
import { callReading } from '../../answer/tool-output.js';
import type { Serving } from '../../models/serving.js';
import type { Gateway } from '../gateway.js';
import { servingOf } from '../serving-of.js';
import { tenantOf } from '../middleware/authenticate.js';
import { traceInference } from '../middleware/trace-requests.js';
import type { RequestTrace } from '../../telemetry/request-trace.js';
import { respond } from '../respond.js';
import type { TextResult, TextTask } from '../../text/text-task.js';

/** OpenAI's default of `max_tokens` for completions; without it a chat's answer may fill the context. */
const DEFAULT_MAX_TOKENS = 16;

/** How an endpoint words its answer, and what it does before it ends. */
export type Wording = Pick<GenerationPlan, 'format' | 'timed' | 'settle'>;

/** `POST /v1/chat/completions`. */
export function chatCompletions(gateway: Gateway): RequestHandler {
  return async (request, response) => {
    const serving = servingOf(gateway, request.body, response);
    const chat = readChatRequest(request.body, serving.model);
    const format = chatFormat(newResponseHead(serving.model, chat.settings));
    await answerChat(gateway, serving, response, chat, { format, timed: wantsTimes(request) });
  };
}

/** `POST /v1/completions`, for one prompt or several. */
export function completions(gateway: Gateway): RequestHandler {
  return async (request, response) => {
    const serving = servingOf(gateway, request.body, response);
    const asked = readCompletionRequest(request.body, serving.model);
    const format = completionFormat(newResponseHead(serving.model, asked.settings));
    const wording = { format, timed: wantsTimes(request) };
    await answerTexts(gateway, serving, response, asked, wording, DEFAULT_MAX_TOKENS);
  };
}

const wantsTimes = (request: { get(name: string): string | undefined }): boolean =>
  request.get('x-layermesh-timing') === 'true';

/** What becomes of a plan. */
type Answering = (plan: GenerationPlan, trace: RequestTrace) => Promise<void>;

/** Answers a conversation, whichever API it came by: as it is asked for, unless `answer` says another way. */
export async function answerChat(
  gateway: Gateway,
  serving: Serving,
  response: Response,
  { messages, field = 'messages', rendering, toolUse, settings }: ChatRequest,
  wording: Wording,
  answer: Answering = (plan, trace) => respond(gateway, serving, response, plan, trace),
): Promise<void> {
  const { model, inferences } = serving;
  const style = styleOf(serving, rendering);
  const form = formOfAnswer(settings.form, toolUse, style);
  const inference = { operation: 'chat', model: model.id, settings } as const;
  await traceInference(inferences, response, inference, async (trace) => {
    // What is to be cut may be as long as it likes.
    const limit = settings.truncatePrompt === null ? serving.textLimit : null;
    const task = { kind: 'chat', messages, options: rendering, limit } as const;
    const encoded = await tokenize(serving, response, task, trace).catch((reason: unknown) => {
      throw inField(field, ServingError.from(reason));
    });
    trace.prompt(encoded.text);
    const limits = outputLimits(settings, Infinity, gateway.maxTokens);
    const prompts = [fitContext(encoded.ids[0]!, limits, model.contextLength, field)];
    const calls = callReading(toolUse, style, form !== null);
    const bound = await bindToForm(serving, response, { ...settings, form }, trace);
    await answer(planOf(tenantOf(response), { prompts, settings: bound, calls, ...wording }), trace);
  });
}

/** What is wrong with messages is wrong with what they were made of. */
function inField(field: PromptField, error: ServingError): ServingError {
  const { code, message, param, hint, cause } = error;
  return param === 'messages' ? new ServingError(code, message, { param: field, hint, cause }) : error;
}

/** Goes on with texts, whichever API they came by; `fallback` is how far where the request does not say. */
export async function answerTexts(
  gateway: Gateway,
  serving: Serving,
  response: Response,
  { prompts: asked, settings }: CompletionRequest,
  wording: Wording,
  fallback: number,
): Promise<void> {
  const { model, inferences } = serving;
  const limits = outputLimits(settings, fallback, gateway.maxTokens);
  const inference = { operation: 'text_completion', model: model.id, settings } as const;
  await traceInference(inferences, response, inference, async (trace) => {
    const texts = asked.filter((prompt) => typeof prompt === 'string');
    texts.forEach((prompt) => trace.prompt(prompt));
    // What is to be cut may be as long as it likes.
    const limit = settings.truncatePrompt === null ? serving.textLimit : null;
    const task = { kind: 'prompts', texts, options: { addSpecialTokens: true }, limit } as const;
    const next = (await tokenize(serving, response, task, trace)).ids.values();
    const prompts = asked.map((prompt): FittedPrompt => {
      const ids = typeof prompt === 'string' ? next.next().value! : prompt;
      return fitContext(ids, limits, model.contextLength, 'prompt');
    });
    const bound = await bindToForm(serving, response, settings, trace);
    const plan = planOf(tenantOf(response), { prompts, settings: bound, calls: null, ...wording });
    await respond(gateway, serving, response, plan, trace);
  });
}

/** The settings with the constraint that their form makes, if there is any. Throws `invalid_grammar`, `unsupported_schema`. */
async function bindToForm(
  { constraintSources }: Serving,
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

/** How the model of a chat calls tools: as its template says, or that of the request. */
const styleOf = ({ text }: Serving, { chatTemplate }: Rendering): ToolStyle =>
  chatTemplate === undefined ? text.chatTemplate.toolStyle : toolStyleOf(chatTemplate);

const tokenize = (
  { textWork }: Serving,
  response: Response,
  task: TextTask,
  trace: RequestTrace,
): Promise<TextResult> =>
  trace.measure('tokenize', () => textWork.run(task, abortOnDisconnect(response).signal));
