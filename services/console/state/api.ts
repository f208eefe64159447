import { EventSourceParserStream, type EventSourceMessage } from 'eventsource-parser/stream';
import { Store } from './store.js';

/** Who asks: a user of the model, or whoever may see the mesh. Each may need a key of its own. */
export type Right = 'use' | 'operate';

/** Keys live as long as the page does, and nowhere else. */
export const keys = new Store<Readonly<Record<Right, string>>>({ use: '', operate: '' });

/** What a key is wanted for; null where nothing is. */
export const wanted = new Store<Right | null>(null);

/** What the gateway says went wrong, as its errors have it. */
export class ApiError extends Error {
  readonly status: number;
  readonly code: string;
  readonly retryAfter: number | null;

  constructor(status: number, code: string, message: string, retryAfter: number | null = null) {
    super(message);
    this.status = status;
    this.code = code;
    this.retryAfter = retryAfter;
  }
}

interface Call {
  readonly right: Right;
  readonly body?: object;
  readonly headers?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal;
  /** False where one can do without the answer: then no key is asked for. */
  readonly isNeeded?: boolean;
}

/** Asks the gateway, with the key for it where there is one. Throws an ApiError; a missing key is asked for. */
export async function call(
  path: string,
  { right, body, headers, signal, isNeeded = true }: Call,
): Promise<Response> {
  const key = keys.value[right] || (right === 'operate' ? keys.value.use : '');
  let response: Response;
  try {
    response = await fetch(path, {
      method: body === undefined ? 'GET' : 'POST',
      headers: {
        ...(body !== undefined && { 'content-type': 'application/json' }),
        ...(key !== '' && { authorization: `Bearer ${key}` }),
        ...headers,
      },
      credentials: 'omit',
      cache: 'no-store',
      ...(body !== undefined && { body: JSON.stringify(body) }),
      ...(signal && { signal }),
    });
  } catch (error) {
    signal?.throwIfAborted();
    throw new ApiError(0, 'unreachable', `The gateway does not answer. ${String(error)}`);
  }
  if (response.ok) return response;
  const isLocked = response.status === 401 || (response.status === 403 && right === 'operate');
  if (isLocked && isNeeded) wanted.set(right);
  throw await errorOf(response);
}

export const getJson = async <Body>(path: string, signal?: AbortSignal): Promise<Body> =>
  (await (await call(path, { right: 'operate', ...(signal && { signal }) })).json()) as Body;

/** The events of a stream, as they come. */
export async function* eventsOf(response: Response): AsyncGenerator<EventSourceMessage> {
  const reader = response
    .body!.pipeThrough(new TextDecoderStream())
    .pipeThrough(new EventSourceParserStream())
    .getReader();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      yield value;
    }
  } finally {
    await reader.cancel().catch(() => undefined);
  }
}

async function errorOf(response: Response): Promise<ApiError> {
  const body: unknown = await response.json().catch(() => null);
  const retry = Number(response.headers.get('retry-after'));
  return toApiError(body, response.status, Number.isFinite(retry) && retry > 0 ? retry : null);
}

/** Of a body as OpenAI has it; of anything else, what is known. */
export function toApiError(body: unknown, status: number, retryAfter: number | null = null): ApiError {
  const error = (body as { error?: { code?: unknown; message?: unknown } } | null)?.error;
  const message = typeof error?.message === 'string' ? error.message : `HTTP ${status}`;
  const code = typeof error?.code === 'string' ? error.code : 'unknown';
  return new ApiError(status, code, message, retryAfter);
}
