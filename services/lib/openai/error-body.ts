import type { ServingError } from '../errors/serving-error.js';

export interface ErrorBody {
  readonly error: {
    readonly message: string;
    readonly type: string;
    readonly param: string | null;
    readonly code: string;
  };
}

/** What a client sent comes back in messages; not at any length, and on one line. */
const MAX_TEXT = 1_000;
const oneLine = (text: string): string => text.slice(0, MAX_TEXT).replace(/[\r\n\u2028\u2029]/g, ' ');

/** OpenAI's error body. What went wrong inside is for the log: the client of an `internal` error learns the code. */
export function errorBody(error: ServingError): ErrorBody {
  const message = error.code === 'internal' ? 'internal error' : oneLine(error.message);
  return {
    error: {
      message: error.hint === '' ? message : `${message} (${error.hint})`,
      type: error.kind.type,
      param: error.param === null ? null : oneLine(error.param),
      code: error.code,
    },
  };
}
