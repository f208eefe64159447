import type { RequestHandler } from 'express';
import { messagesFormat } from '../../../lib/anthropic/messages-format.js';
import { readCountRequest, readMessagesRequest } from '../../../lib/anthropic/messages-request.js';
import { newResponseHead } from '../../answer/choice.js';
import { abortOnDisconnect } from '../abort-on-disconnect.js';
import type { Gateway } from '../gateway.js';
import { servingOf } from '../serving-of.js';
import { answerChat } from './inference.js';

/** `POST /v1/messages`, as Anthropic has it. */
export function createMessage(gateway: Gateway): RequestHandler {
  return async (request, response) => {
    const serving = servingOf(gateway, request.body, response);
    const chat = readMessagesRequest(request.body, serving.model);
    const format = messagesFormat(newResponseHead(serving.model, chat.settings));
    await answerChat(gateway, serving, response, chat, { format, timed: false });
  };
}

/** `POST /v1/messages/count_tokens`: of the prompt that the messages become. */
export function countTokens(gateway: Gateway): RequestHandler {
  return async (request, response) => {
    const { textWork } = servingOf(gateway, request.body, response);
    const { messages, rendering } = readCountRequest(request.body);
    const task = { kind: 'chat', messages, options: rendering, limit: null } as const;
    const { ids } = await textWork.run(task, abortOnDisconnect(response).signal);
    response.json({ input_tokens: ids[0]!.length });
  };
}
