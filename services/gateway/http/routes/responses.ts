import type { RequestHandler, Response } from 'express';
import { invalidField } from '../../../lib/openai/parse-body.js';
import { ServingError } from '../../../lib/errors/serving-error.js';
import { responses as responsesDialect } from '../../../lib/openai/dialect.js';
import { ResponsesFormat } from '../../../lib/openai/responses/format.js';
import type { Item } from '../../../lib/openai/responses/items.js';
import {
  chatOf,
  readResponsesRequest,
  type ResponsesRequest,
} from '../../../lib/openai/responses/request.js';
import { newResponseHead } from '../../answer/choice.js';
import { abortOnDisconnect } from '../abort-on-disconnect.js';
import {
  conversationOf,
  isOver,
  type KeptResponse,
  type ResponseStore,
} from '../../responses/response-store.js';
import type { Serving } from '../../models/serving.js';
import type { Gateway } from '../gateway.js';
import { countUntil, tenantOf } from '../middleware/authenticate.js';
import { speak } from '../middleware/dialects.js';
import { servingOf } from '../serving-of.js';
import { answerChat } from './inference.js';

/** Whose responses are asked for: with keys, the tenant's; else everyone's. */
const ownerOf = (response: Response): string | null => tenantOf(response)?.name ?? null;

/** `POST /v1/responses`. */
export function createResponse(gateway: Gateway): RequestHandler {
  return async (request, response) => {
    const serving = servingOf(gateway, request.body, response);
    const asked = readResponsesRequest(request.body, serving.model);
    if (!asked.background) {
      await answer(gateway, serving, response, asked);
      return;
    }
    // Who has gone by now has asked for nothing; whoever goes later is still counted while it runs.
    abortOnDisconnect(response).signal.throwIfAborted();
    const over = countUntil(response);
    await answer(gateway, serving, response, asked).finally(over);
  };
}

/** With nobody waiting for more than its beginning, where it is asked for in the background. */
async function answer(
  gateway: Gateway,
  serving: Serving,
  response: Response,
  asked: ResponsesRequest,
): Promise<void> {
  const { responses, background } = gateway;
  const owner = ownerOf(response);
  const { previous, input, settings } = asked;
  const before = previous === null ? [] : await saidBefore(responses, previous, owner);
  if (asked.store) await responses.requireRoom([...before, ...input]);

  const format = new ResponsesFormat(newResponseHead(serving.model, settings), asked.echo);
  speak(
    response,
    responsesDialect(() => format.nextNumber()),
  );
  const kept = (): KeptResponse => ({ owner, response: format.body, input, before });
  const chat = chatOf(asked, before);
  const wording = { format, timed: false };
  if (asked.background) {
    await answerChat(gateway, serving, response, chat, wording, (plan, trace) =>
      background.run(serving, kept(), plan, trace, (begun) => void response.json(begun)),
    );
  } else {
    const settle = () => responses.put(kept());
    await answerChat(gateway, serving, response, chat, { ...wording, ...(asked.store && { settle }) });
  }
}

/** The conversation that is gone on with. Throws `response_not_found`, and `invalid_value` where its end is not known yet. */
async function saidBefore(responses: ResponseStore, previous: string, owner: string | null): Promise<Item[]> {
  const kept = await responses.find(previous, owner, 'previous_response_id');
  if (isOver(kept.response)) return conversationOf(kept);
  throw invalidField('previous_response_id', `is the id of a response that is still ${kept.response.status}`);
}

type OfResponse = RequestHandler<{ id: string }>;

/** `GET /v1/responses/{id}`, whole. */
export function retrieveResponse({ responses }: Gateway): OfResponse {
  return async (request, response) => {
    if (request.query.stream === 'true') {
      throw new ServingError('unsupported_parameter', 'what has been answered is not streamed anew', {
        param: 'stream',
      });
    }
    const { response: body } = await responses.find(request.params.id, ownerOf(response));
    response.json(body);
  };
}

/** `POST /v1/responses/{id}/cancel`, of one that runs in the background. */
export function cancelResponse({ background }: Gateway): OfResponse {
  return async (request, response) => {
    response.json(await background.cancel(request.params.id, ownerOf(response)));
  };
}

/** `DELETE /v1/responses/{id}`. */
export function deleteResponse({ responses }: Gateway): OfResponse {
  return async (request, response) => {
    const { id } = request.params;
    await responses.delete(id, ownerOf(response));
    response.json({ id, object: 'response', deleted: true });
  };
}

/** `GET /v1/responses/{id}/input_items?limit=20&order=desc&after=…`. */
export function listInputItems({ responses }: Gateway): OfResponse {
  return async (request, response) => {
    const { input } = await responses.find(request.params.id, ownerOf(response));
    response.json(pageOf(input, request.query));
  };
}

const MAX_PAGE = 100;

function pageOf(
  items: readonly Item[],
  { limit = '20', order = 'desc', after }: Record<string, unknown>,
): object {
  const size = Number(limit);
  if (!Number.isInteger(size) || size < 1 || size > MAX_PAGE) {
    throw invalidField('limit', `is not a whole number from 1 to ${MAX_PAGE}`);
  }
  if (order !== 'asc' && order !== 'desc') throw invalidField('order', 'is neither asc nor desc');
  const ordered = order === 'asc' ? items : [...items].reverse();
  const start = after === undefined ? 0 : ordered.findIndex(({ id }) => id === after) + 1;
  if (after !== undefined && start === 0) throw invalidField('after', 'is the id of no item');
  const data = ordered.slice(start, start + size);
  return {
    object: 'list',
    data,
    first_id: data[0]?.id ?? null,
    last_id: data.at(-1)?.id ?? null,
    has_more: start + size < ordered.length,
  };
}
