import type { RequestHandler, Response } from 'express';
import { loaded, ollamaFormat } from '../../../lib/ollama/format.js';
import { show, tags } from '../../../lib/ollama/model-objects.js';
import { readOllamaChat, readOllamaGenerate, readOllamaShow } from '../../../lib/ollama/requests.js';
import { VERSION } from '../../../lib/process/version.js';
import type { Gateway } from '../gateway.js';
import { answerChat, answerTexts } from './inference.js';

/** `POST /api/chat`, as Ollama has it. */
export function ollamaChat(gateway: Gateway): RequestHandler {
  return async (request, response) => {
    const { name, request: chat } = readOllamaChat(request.body, gateway.model);
    if (chat === null) response.json(loaded('chat', name));
    else await answerChat(gateway, response, chat, { format: ollamaFormat('chat', name), timed: true });
  };
}

/** `POST /api/generate`, as Ollama has it. */
export function ollamaGenerate(gateway: Gateway): RequestHandler {
  return async (request, response) => {
    const { name, request: asked } = readOllamaGenerate(request.body, gateway.model);
    const wording = { format: ollamaFormat('generate', name), timed: true };
    if (asked === null) response.json(loaded('generate', name));
    else if ('chat' in asked) await answerChat(gateway, response, asked.chat, wording);
    else await answerTexts(gateway, response, asked.texts, wording, Infinity);
  };
}

/** `GET /api/tags`, and `GET /api/ps`, for what is served is loaded. */
export function ollamaTags({ model }: Gateway): RequestHandler {
  return (_request, response) => void response.json(tags(model));
}

/** `POST /api/show`. */
export function ollamaShow({ model }: Gateway): RequestHandler {
  return (request, response) => {
    readOllamaShow(request.body, model);
    response.json(show(model));
  };
}

/** `GET /api/version`: ours, for clients that ask whether anybody is there. */
export const ollamaVersion = (_request: unknown, response: Response): void =>
  void response.json({ version: VERSION });
