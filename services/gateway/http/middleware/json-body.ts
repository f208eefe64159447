import { isUtf8 } from 'node:buffer';
import express, { type RequestHandler } from 'express';
import { ServingError } from '../../../lib/errors/serving-error.js';

/** Deeper than any schema or conversation is, and shallow enough for every function that calls itself. */
const MAX_DEPTH = 128;

/**
 * Parses JSON bodies of up to `limit` bytes, inflated. The rest of a larger one is read and dropped, never kept. What
 * is not UTF-8 is refused: a prompt with characters replaced is another prompt.
 */
export function jsonBody(limit: number): RequestHandler {
  const parse: RequestHandler = express.json({
    limit,
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

const tooDeep = `arrays and objects are nested more than ${MAX_DEPTH} deep`;

/** Level by level, so that no depth is too much for it. */
function isDeeperThan(limit: number, value: unknown): boolean {
  let level = [value].filter(isNest);
  for (let depth = 0; depth < limit && level.length > 0; depth += 1) {
    const next: object[] = [];
    for (const nest of level) for (const each of Object.values(nest)) if (isNest(each)) next.push(each);
    level = next;
  }
  return level.length > 0;
}

const isNest = (value: unknown): value is object => typeof value === 'object' && value !== null;

function toServingError(error: Error & { type?: string }, limit: number): ServingError {
  if (error.type === 'entity.too.large') {
    return new ServingError('request_too_large', `the body is larger than ${limit} bytes`, { cause: error });
  }
  return new ServingError('invalid_json', withoutQuote(error.message), { cause: error });
}

/** What V8 says of a mistake in JSON shows the text around it, which may be somebody's prompt and belongs in no log. */
const withoutQuote = (message: string): string =>
  message.replace(/, (?:\.{3})?".*"(?:\.{3})? is not valid JSON$/s, ' is not valid JSON');
