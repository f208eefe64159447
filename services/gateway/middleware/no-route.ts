import type { RequestHandler } from 'express';
import { ServingError } from '../../lib/errors/serving-error.js';

export const noRoute: RequestHandler = (request) => {
  throw new ServingError('route_not_found', `${request.method} ${request.path} does not exist`);
};
