import type { RequestHandler } from 'express';
import { modelList, modelObject, requireModel } from '../../../lib/openai/served-model.js';
import type { Gateway } from '../gateway.js';

/** `GET /v1/models`. */
export function listModels({ model }: Gateway): RequestHandler {
  return (_request, response) => void response.json(modelList(model));
}

/** `GET /v1/models/{id}`; an id may hold slashes. */
export function retrieveModel({ model }: Gateway): RequestHandler<{ id: string[] }> {
  return (request, response) => {
    const id = request.params.id.join('/');
    requireModel(model, id);
    response.json(modelObject(model, id));
  };
}
