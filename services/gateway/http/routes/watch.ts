import { createReadStream } from 'node:fs';
import { pipeline } from 'node:stream/promises';
import { Router } from 'express';
import { ServingError } from '../../../lib/errors/serving-error.js';
import type { LoadLog } from '../../watch/load-log.js';
import { STEP_SECONDS } from '../../watch/load-log.js';
import type { MeshWatch } from '../../watch/mesh-watch.js';
import type { ResultFiles } from '../../watch/result-files.js';
import type { RequestLog } from '../../watch/request-log.js';

/** What the gateway remembers of its mesh and its requests, for whoever looks. */
export interface Watch {
  readonly mesh: Pick<MeshWatch, 'watch'>;
  readonly requests: Pick<RequestLog, 'summaries' | 'find'>;
  readonly load: Pick<LoadLog, 'points'>;
  readonly results: Pick<ResultFiles, 'list' | 'pathOf'>;
  /** Such as `http://127.0.0.1:16686/trace/{trace}`; null where traces are nowhere to be seen. */
  readonly traceUrl: string | null;
}

/** `GET /topology/events`, `/requests`, `/load`, `/results` and one of each: for an operator, as `/topology` is. */
export function watchRoutes({ mesh, requests, load, results, traceUrl }: Watch): Router {
  const router = Router();
  router.get('/topology/events', (request, response) => {
    mesh.watch(response, request.get('last-event-id'));
  });
  router.get('/requests', (_request, response) => {
    response.json({ trace_url: traceUrl, requests: requests.summaries() });
  });
  router.get('/requests/:id', (request, response) => {
    const found = requests.find(request.params.id);
    if (found === null)
      throw new ServingError('request_not_found', 'this request is not, or no longer, kept');
    response.json(found);
  });
  router.get('/load', (_request, response) => {
    response.json({ step_s: STEP_SECONDS, points: load.points });
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
