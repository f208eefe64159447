import type { RequestHandler } from 'express';
import { ServingError } from '../../lib/errors/serving-error.js';
import type { Gateway } from '../gateway.js';
import { LONGEST_WINDOW } from '../report/round-log.js';

const DEFAULT_WINDOW = 60;

/** `GET /report?window=60`: where the time of the last so many seconds went, and what would help. */
export function report({ reporter }: Gateway): RequestHandler {
  return (request, response) => {
    response.json(reporter.report(windowOf(request.query.window)));
  };
}

function windowOf(text: unknown): number {
  if (text === undefined) return DEFAULT_WINDOW;
  const seconds = Number(text);
  if (Number.isInteger(seconds) && seconds >= 1 && seconds <= LONGEST_WINDOW) return seconds;
  const problem = `window is not a whole number of seconds from 1 to ${LONGEST_WINDOW}`;
  throw new ServingError('invalid_value', problem, { param: 'window' });
}
