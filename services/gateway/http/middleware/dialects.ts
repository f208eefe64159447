import type { RequestHandler, Response } from 'express';
import { anthropic, ollama, openai, type Dialect } from '../../../lib/openai/dialect.js';
import { requestIdOf } from './request-id.js';

/** Whoever asks below one of these paths is answered as the API that they are of, be there such a route or not. */
const BY_PATH = [
  [/^\/v1\/messages(?:\/|$)/i, anthropic],
  [/^\/api(?:\/|$)/i, ollama],
] as const;

/** Every response knows its dialect before anything can go wrong with its request. */
export const knowDialect: RequestHandler = ({ path }, response, next) => {
  const dialect = BY_PATH.find(([pattern]) => pattern.test(path))?.[1] ?? openai;
  speak(response, dialect);
  // The name under which Anthropic's clients look for it.
  if (dialect === anthropic) response.set('request-id', requestIdOf(response));
  next();
};

/** From now on; a stream whose error has to fit what it has said so far has a dialect of its own. */
export function speak(response: Response, dialect: Dialect): void {
  response.locals.dialect = dialect;
}

export const dialectOf = (response: Response): Dialect => response.locals.dialect as Dialect;
