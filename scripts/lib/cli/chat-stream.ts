import { EventSourceParserStream } from 'eventsource-parser/stream';
import { ServingError } from '../../../services/lib/errors/serving-error.js';
import { clientKey } from '../shown-keys.js';

export interface ChatMessage {
  readonly role: 'user' | 'assistant' | 'system';
  readonly content: string;
}

export interface ChatRequest {
  readonly messages: readonly ChatMessage[];
  /** Left out: as many as the context has room for. */
  readonly maxTokens?: number;
}

/** Streams an answer's text from an OpenAI-compatible server at `url`. Throws the server's own error. */
export async function* streamChat(
  url: string,
  { messages, maxTokens }: ChatRequest,
  signal: AbortSignal,
): AsyncGenerator<string> {
  const response = await fetch(`${url}/v1/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...clientKey() },
    body: JSON.stringify({ model: 'default', messages, stream: true, max_completion_tokens: maxTokens }),
    signal,
  }).catch((cause: unknown) => {
    signal.throwIfAborted();
    throw new ServingError('not_running', `nothing serves at ${url}`, { cause });
  });
  if (!response.ok || response.body === null) throw toError((await response.json()) as ErrorBody);
  const events = response.body
    .pipeThrough(new TextDecoderStream())
    .pipeThrough(new EventSourceParserStream());
  for await (const { data } of events) {
    if (data === '[DONE]') continue;
    const event = JSON.parse(data) as ChatChunk | ErrorBody;
    if ('error' in event) throw toError(event);
    yield event.choices[0]?.delta.content ?? '';
  }
}

interface ChatChunk {
  readonly choices: readonly { readonly delta: { readonly content?: string | null } }[];
}

interface ErrorBody {
  readonly error: { readonly code: string | null; readonly message: string };
}

const toError = ({ error: { code, message } }: ErrorBody): ServingError =>
  ServingError.received(code ?? 'internal', message);
