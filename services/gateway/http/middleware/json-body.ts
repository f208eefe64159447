import { isUtf8 } from 'node:buffer';
import express, { type Request, type RequestHandler } from 'express';
import { ServingError } from '../../../lib/errors/serving-error.js';
import { ollama } from '../../../lib/openai/dialect.js';
import { isDeeperThan, MAX_DEPTH } from '../../../lib/openai/parse-body.js';
import { dialectOf } from './dialects.js';

/**
 * Parses JSON bodies of up to `limit` bytes, inflated. The rest of a larger one is read and dropped, never kept. What
 * is not UTF-8 is refused: a prompt with characters replaced is another prompt.
 */
export function jsonBody(limit: number): RequestHandler {
  const parse: RequestHandler = express.json({
    limit,
    type: (request) => saysJson(request as Request),
    verify: (_request, _response, body, encoding) => {
      if (encoding.toLowerCase() !== 'utf-8') throw new Error(`the charset ${encoding} is not UTF-8`);
      if (!isUtf8(body)) throw new Error('the body is not UTF-8');
    },
  });
  return (request, response, next) =>
    parse(request, response, (error?: unknown) => {
      if (error !== undefined) next(toServingError(error as Error & { type?: string }, limit));
      else if (isDeeperThan(MAX_DEPTH, request.body)) next(new ServingError('invalid_json', tooDeep));
      else next();
    });
}

/**
 * By its type; Ollama's clients need not say any. But pages in a browser need: what says another type is posted to whom
 * they like without asking whether it is welcome, and it is the origin that tells such a page.
 */
const saysJson = (request: Request): boolean =>
  Boolean(request.is('json')) || (dialectOf(request.res!) === ollama && request.headers.origin === undefined);

const tooDeep = `arrays and objects are nested more than ${MAX_DEPTH} deep`;

function toServingError(error: Error & { type?: string }, limit: number): ServingError {
  if (error.type === 'entity.too.large') {
    return new ServingError('request_too_large', `the body is larger than ${limit} bytes`, { cause: error });
  }
  return new ServingError('invalid_json', withoutQuote(error.message), { cause: error });
}

/** What V8 says of a mistake in JSON shows the text around it, which may be somebody's prompt and belongs in no log. */
const withoutQuote = (message: string): string =>
  message.replace(/, (?:\.{3})?".*"(?:\.{3})? is not valid JSON$/s, ' is not valid JSON');
