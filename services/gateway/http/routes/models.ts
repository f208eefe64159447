import type { RequestHandler } from 'express';
import { modelList, modelObject, requireModel } from '../../../lib/openai/served-model.js';
import type { Gateway } from '../gateway.js';
import { requireAllowed, tenantOf } from '../middleware/authenticate.js';

/** `GET /v1/models`: what whoever asks may use. */
export function listModels({ model }: Gateway): RequestHandler {
  return (_request, response) => {
    const isAllowed = tenantOf(response)?.mayUse(model) ?? true;
    response.json(modelList(isAllowed ? [model] : []));
  };
}

/** `GET /v1/models/{id}`; an id may hold slashes. */
export function retrieveModel({ model }: Gateway): RequestHandler<{ id: string[] }> {
  return (request, response) => {
    const id = request.params.id.join('/');
    requireModel(model, id);
    requireAllowed(model, response);
    response.json(modelObject(model, id));
  };
}
