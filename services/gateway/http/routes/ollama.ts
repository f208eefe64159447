import type { RequestHandler, Response } from 'express';
import { loaded, ollamaFormat } from '../../../lib/ollama/format.js';
import { show, tags } from '../../../lib/ollama/model-objects.js';
import { readOllamaChat, readOllamaGenerate, readOllamaShow } from '../../../lib/ollama/requests.js';
import { VERSION } from '../../../lib/process/version.js';
import type { Gateway } from '../gateway.js';
import { servingNamed, servingOf, servingsFor } from '../serving-of.js';
import { answerChat, answerTexts } from './inference.js';

/** `POST /api/chat`, as Ollama has it. */
export function ollamaChat(gateway: Gateway): RequestHandler {
  return async (request, response) => {
    const serving = servingOf(gateway, request.body, response);
    const { name, request: chat } = readOllamaChat(request.body, serving.model);
    if (chat === null) response.json(loaded('chat', name));
    else
      await answerChat(gateway, serving, response, chat, { format: ollamaFormat('chat', name), timed: true });
  };
}

/** `POST /api/generate`, as Ollama has it. */
export function ollamaGenerate(gateway: Gateway): RequestHandler {
  return async (request, response) => {
    const serving = servingOf(gateway, request.body, response);
    const { name, request: asked } = readOllamaGenerate(request.body, serving.model);
    const wording = { format: ollamaFormat('generate', name), timed: true };
    if (asked === null) response.json(loaded('generate', name));
    else if ('chat' in asked) await answerChat(gateway, serving, response, asked.chat, wording);
    else await answerTexts(gateway, serving, response, asked.texts, wording, Infinity);
  };
}

/** `GET /api/tags`, and `GET /api/ps`, for what is served is loaded. */
export function ollamaTags({ models }: Gateway): RequestHandler {
  return (_request, response) => {
    response.json(tags(servingsFor(models, response).map(({ model }) => model)));
  };
}

/** `POST /api/show`. */
export function ollamaShow({ models }: Gateway): RequestHandler {
  return (request, response) => {
    const { model } = servingNamed(models, readOllamaShow(request.body), response);
    response.json(show(model));
  };
}

/** `GET /api/version`: ours, for clients that ask whether anybody is there. */
export const ollamaVersion = (_request: unknown, response: Response): void =>
  void response.json({ version: VERSION });
