import { createReadStream } from 'node:fs';
import { pipeline } from 'node:stream/promises';
import { Router } from 'express';
import { ServingError } from '../../../lib/errors/serving-error.js';
import { STEP_SECONDS } from '../../watch/load-log.js';
import type { Gateway } from '../gateway.js';
import { servingAsked } from '../serving-of.js';

/**
 * `GET /topology/events`, `/requests`, `/load`, `/results` and one of each: for an operator, as `/topology` is. Of the requests of
 * all models each says which it was for; what is about a mesh is about that of one model (`?model=`).
 */
export function watchRoutes({ models, requests, results }: Gateway): Router {
  const router = Router();
  router.get('/topology/events', (request, response) => {
    servingAsked(models, request.query).watch.watch(response, request.get('last-event-id'));
  });
  router.get('/requests', (_request, response) => {
    response.type('json').send(requests.list());
  });
  router.get('/requests/:id', (request, response) => {
    const found = requests.find(request.params.id);
    if (found === null)
      throw new ServingError('request_not_found', 'this request is not, or no longer, kept');
    response.json(found);
  });
  router.get('/load', (request, response) => {
    response.json({ step_s: STEP_SECONDS, points: servingAsked(models, request.query).load.points });
  });
  router.get('/results', async (_request, response) => {
    response.json({ results: await results.list() });
  });
  router.get('/results/:folder/:file', async ({ params: { folder, file } }, response) => {
    const path = await results.pathOf(`${folder}/${file}`);
    if (path === null) throw new ServingError('result_not_found', 'there are no such results');
    response.type('json');
    await pipeline(createReadStream(path), response).catch(() => response.destroy());
  });
  return router;
}
