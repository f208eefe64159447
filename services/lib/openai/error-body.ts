import type { ServingError } from '../errors/serving-error.js';

export interface ErrorBody {
  readonly error: {
    readonly message: string;
    readonly type: string;
    readonly param: string | null;
    readonly code: string;
  };
}

/** OpenAI's error body. What went wrong inside is for the log: the client of an `internal` error learns the code. */
export function errorBody(error: ServingError): ErrorBody {
  const message = error.code === 'internal' ? 'internal error' : error.message;
  return {
    error: {
      message: error.hint === '' ? message : `${message} (${error.hint})`,
      type: error.kind.type,
      param: error.param,
      code: error.code,
    },
  };
}
