import type { ServingError } from '../errors/serving-error.js';

/** One thing that a stream says. */
export interface StreamEvent {
  /** Its name, where a stream has events of several kinds. */
  readonly event?: string;
  readonly data: object;
}

/** How a stream's events are told apart on the wire. */
interface Framing {
  readonly contentType: string;
  /** One event, whole. */
  frame(event: StreamEvent): string;
  /** Means nothing to who reads the stream; may be written between any two events. */
  readonly nothing: string;
}

const escaped = (character: string): string => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
/**
 * JSON on one line, whatever a client takes for its end: Python's `splitlines`, and so httpx, takes these characters for it, which
 * JSON lets stand in a text.
 */
const jsonLine = (data: object): string => JSON.stringify(data).replace(/[\u0085\u2028\u2029]/g, escaped);

/**
 * Server-sent events, whose comments are lines that begin with a colon. They are UTF-8 whatever the type says, but generic clients
 * take text of no charset for Latin-1.
 */
const sse: Framing = {
  contentType: 'text/event-stream; charset=utf-8',
  frame: ({ event, data }) => `${event === undefined ? '' : `event: ${event}\n`}data: ${jsonLine(data)}\n\n`,
  nothing: ': keep-alive\n\n',
};

/** The same, but for what means nothing: an event of which the API's description tells, and which its clients pass over anywhere. */
const sseWithPings: Framing = { ...sse, nothing: 'event: ping\ndata: {"type":"ping"}\n\n' };

/**
 * A JSON document a line. There are no comments, and clients parse empty lines too; but a space that a document begins
 * with is JSON's own nothing.
 */
const ndjson: Framing = {
  contentType: 'application/x-ndjson',
  frame: ({ data }) => `${jsonLine(data)}\n`,
  nothing: ' ',
};

/** How the routes of an API speak: what a stream looks like, and how what went wrong is worded. */
export interface Dialect {
  readonly framing: Framing;
  /** Written after the last event of a stream that ends well. */
  readonly end: string;
  errorBody(error: ServingError, requestId: string): object;
  /** Of a stream that has begun, the last event. */
  errorEvent(error: ServingError, requestId: string): StreamEvent;
}

/** What a client sent comes back in messages; not at any length, and on one line. */
const MAX_TEXT = 1_000;
const oneLine = (text: string): string => text.slice(0, MAX_TEXT).replace(/[\r\n\u2028\u2029]/g, ' ');

/** What went wrong inside is for the log: the client of an `internal` error learns the code. */
function textOf({ code, message, hint }: ServingError): string {
  const text = code === 'internal' ? 'internal error' : oneLine(message);
  return hint === '' ? text : `${text} (${hint})`;
}

/** For a body that has no field for it. */
const textWithCode = (error: ServingError): string => `${textOf(error)} [${error.code}]`;

const openaiError = (error: ServingError): object => ({
  error: {
    message: textOf(error),
    type: error.kind.type,
    param: error.param === null ? null : oneLine(error.param),
    code: error.code,
  },
});

/** OpenAI's, of chats and completions. */
export const openai: Dialect = {
  framing: sse,
  end: 'data: [DONE]\n\n',
  errorBody: openaiError,
  errorEvent: (error) => ({ data: openaiError(error) }),
};

/** OpenAI's, of responses, whose events are numbered; a stream ends with its last. */
export const responses = (nextNumber: () => number): Dialect => ({
  ...openai,
  end: '',
  errorEvent: (error) => ({
    event: 'error',
    data: {
      type: 'error',
      code: error.code,
      message: textOf(error),
      param: error.param,
      sequence_number: nextNumber(),
    },
  }),
});

/** Its errors have the types of OpenAI's but for these (docs.anthropic.com, "Errors"). */
function anthropicType({ http, type }: ServingError['kind']): string {
  if (http === 413) return 'request_too_large';
  if (type !== 'server_error') return type;
  return http === 503 ? 'overloaded_error' : 'api_error';
}

const anthropicError = (error: ServingError, requestId: string): object => ({
  type: 'error',
  error: { type: anthropicType(error.kind), message: textWithCode(error) },
  request_id: requestId,
});

/** Anthropic's, of `/v1/messages`: its events have names, and a stream ends with its last. */
export const anthropic: Dialect = {
  framing: sseWithPings,
  end: '',
  errorBody: anthropicError,
  errorEvent: (error, requestId) => ({ event: 'error', data: anthropicError(error, requestId) }),
};

const ollamaError = (error: ServingError): object => ({ error: textWithCode(error) });

/** Ollama's, of `/api`. */
export const ollama: Dialect = {
  framing: ndjson,
  end: '',
  errorBody: ollamaError,
  errorEvent: (error) => ({ data: ollamaError(error) }),
};
