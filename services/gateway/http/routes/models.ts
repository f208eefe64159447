import type { RequestHandler } from 'express';
import { modelList, modelObject } from '../../../lib/openai/served-model.js';
import type { Gateway } from '../gateway.js';
import { servingNamed, servingsFor } from '../serving-of.js';

/** `GET /v1/models`: what whoever asks may use. */
export function listModels({ models }: Gateway): RequestHandler {
  return (_request, response) => {
    response.json(modelList(servingsFor(models, response).map(({ model }) => model)));
  };
}

/** `GET /v1/models/{id}`; an id may hold slashes. */
export function retrieveModel({ models }: Gateway): RequestHandler<{ id: string[] }> {
  return (request, response) => {
    const id = request.params.id.join('/');
    response.json(modelObject(servingNamed(models, id, response).model, id));
  };
}
