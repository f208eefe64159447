import type { IncomingMessage, ServerResponse } from 'node:http';
import type { RequestHandler } from 'express';
import type { Secret } from '../../../lib/config/environment.js';
import { ServingError } from '../../../lib/errors/serving-error.js';
import type { ServedModel } from '../../../lib/openai/served-model.js';
import type { KeyRing } from '../../keys/key-ring.js';
import type { Tenant } from '../../keys/tenant.js';

/** By the response, since whatever writes one needs to know it. */
const tenants = new WeakMap<ServerResponse, Tenant>();
/** What ends the counting of a request. */
const counted = new WeakMap<ServerResponse, () => void>();

/** Who asks; null where no keys are configured. */
export const tenantOf = (response: ServerResponse): Tenant | null => tenants.get(response) ?? null;

/** The request goes on being counted when it has been answered, until the function that this returns is called. */
export function countUntil(response: ServerResponse): () => void {
  const end = counted.get(response) ?? (() => undefined);
  response.off('close', end);
  return end;
}

/**
 * Lets in whoever shows a key of the ring, as far as its limits go: everyone where there is no ring. It comes before all
 * that reads a body. Only what is posted counts against limits, and only while it is being answered.
 */
export function requireTenant(keys: KeyRing | null): RequestHandler {
  return (request, response, next) => {
    if (keys === null) {
      next();
      return;
    }
    const tenant = keys.find(shownKey(request));
    if (tenant === null) throw wrongKey();
    tenants.set(response, tenant);
    try {
      if (request.method === 'POST') {
        const end = tenant.begin();
        counted.set(response, end);
        response.once('close', end);
      }
    } finally {
      response.set(tenant.headers);
    }
    next();
  };
}

/** Lets in whoever shows the operator's key; everyone where there is none. */
export function requireOperator(key: Secret | null): RequestHandler {
  return (request, _response, next) => {
    if (key?.equals(shownKey(request)) === false) throw wrongKey();
    next();
  };
}

/** Throws `model_not_allowed`. */
export function requireAllowed(model: ServedModel, response: ServerResponse): void {
  if (tenantOf(response)?.mayUse(model) === false) {
    throw new ServingError('model_not_allowed', `your key may not use the model ${model.id}`, {
      param: 'model',
    });
  }
}

/** As OpenAI's clients send it, or as Anthropic's do. Throws `invalid_api_key` where there is none. */
function shownKey({ headers }: IncomingMessage): string {
  const bearer = /^Bearer +(\S+)$/i.exec(headers.authorization?.trim() ?? '')?.[1];
  const shown = bearer ?? headers['x-api-key'];
  if (typeof shown === 'string') return shown;
  throw new ServingError('invalid_api_key', 'the request shows no API key');
}

const wrongKey = (): ServingError => new ServingError('invalid_api_key', 'the API key is not known');
