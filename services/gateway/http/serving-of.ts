import type { ServerResponse } from 'node:http';
import { ServingError } from '../../lib/errors/serving-error.js';
import { namesOf, type ModelDirectory } from '../models/model-directory.js';
import type { Serving } from '../models/serving.js';
import { tellModel } from './middleware/asked-model.js';
import { requireAllowed, tenantOf } from './middleware/authenticate.js';
import type { Gateway } from './gateway.js';

/**
 * The model that a request names in its body; what is no name is for whoever reads the body to refuse. Throws
 * `model_not_found`, and `model_not_allowed` for one that is served, though not to this tenant.
 */
export function servingOf({ models }: Gateway, body: unknown, response: ServerResponse): Serving {
  const { model } = (body ?? {}) as { readonly model?: unknown };
  return servingNamed(models, typeof model === 'string' ? model : null, response);
}

/** The same by its name; null is the first. */
export function servingNamed(models: ModelDirectory, name: string | null, response: ServerResponse): Serving {
  const found = models.find(name);
  if (found === null) {
    const names = servingsFor(models, response).flatMap(namesOf);
    throw unknown(name, {
      hint: names.length === 0 ? 'your key may use none' : `there is ${names.join(', ')}`,
    });
  }
  tellModel(response, found.model.id);
  requireAllowed(found.model, response);
  return found;
}

/** Those that whoever asks may use. */
export const servingsFor = ({ all }: ModelDirectory, response: ServerResponse): readonly Serving[] =>
  all.filter(({ model }) => tenantOf(response)?.mayUse(model) ?? true);

/** In a query: `?model=`. Throws `model_not_found`, which says no names: some of these routes are open. */
export function servingAsked(models: ModelDirectory, query: { readonly model?: unknown }): Serving {
  const name = query.model ?? null;
  const found = name === null || typeof name === 'string' ? models.find(name) : null;
  if (found === null) throw unknown(name, {});
  return found;
}

const unknown = (name: unknown, more: { readonly hint?: string }): ServingError =>
  new ServingError('model_not_found', `the model ${JSON.stringify(name)} does not exist`, {
    param: 'model',
    ...more,
  });
