import type { RequestHandler } from 'express';
import type { z } from 'zod';
import { rawCountRequest, rawMessagesRequest } from '../../../lib/anthropic/messages-request.js';
import { rawOllamaChat, rawOllamaGenerate, rawOllamaShow } from '../../../lib/ollama/requests.js';
import { rawChatRequest } from '../../../lib/openai/chat-request.js';
import { rawCompletionRequest } from '../../../lib/openai/completion-request.js';
import { jsonSchemaOf } from '../../../lib/openai/parse-body.js';
import { rawResponsesRequest } from '../../../lib/openai/responses/request.js';
import { rawDetokenizeRequest, rawTokenizeRequest } from '../../../lib/openai/tokenize-request.js';
import { VERSION } from '../../../lib/process/version.js';

interface Operation {
  readonly summary: string;
  /** What its body is checked with. */
  readonly body?: z.ZodType;
  /** How an answer comes as a stream, where it does. */
  readonly stream?: 'text/event-stream' | 'application/x-ndjson';
  /** What it answers with where that is no JSON object. */
  readonly type?: string;
  /** Parameters of the query. */
  readonly query?: Readonly<Record<string, object>>;
}

type Path = Readonly<Partial<Record<'get' | 'post' | 'delete', Operation>>>;

const sse = 'text/event-stream';
const ndjson = 'application/x-ndjson';

const model = { type: 'string' };

/** All that is served. */
const PATHS: Readonly<Record<string, Path>> = {
  '/v1/chat/completions': {
    post: { summary: 'An answer to a conversation', body: rawChatRequest, stream: sse },
  },
  '/v1/completions': {
    post: { summary: 'A continuation of texts', body: rawCompletionRequest, stream: sse },
  },
  '/v1/responses': {
    post: { summary: 'A response, which may be kept', body: rawResponsesRequest, stream: sse },
  },
  '/v1/responses/{id}': {
    get: { summary: 'A response that was kept' },
    delete: { summary: 'Forgets a response' },
  },
  '/v1/responses/{id}/input_items': {
    get: {
      summary: 'What a response was an answer to',
      query: {
        limit: { type: 'integer', minimum: 1, maximum: 100, default: 20 },
        order: { enum: ['asc', 'desc'], default: 'desc' },
        after: { type: 'string' },
      },
    },
  },
  '/v1/responses/{id}/cancel': { post: { summary: 'Ends a response that runs in the background' } },
  '/v1/messages': {
    post: { summary: "An answer as Anthropic's API has it", body: rawMessagesRequest, stream: sse },
  },
  '/v1/messages/count_tokens': { post: { summary: 'How long its prompt is', body: rawCountRequest } },
  '/v1/models': { get: { summary: 'What is served' } },
  '/v1/models/{id}': { get: { summary: 'A model that is served' } },
  '/api/chat': { post: { summary: 'An answer as Ollama has it', body: rawOllamaChat, stream: ndjson } },
  '/api/generate': {
    post: { summary: 'A continuation as Ollama has it', body: rawOllamaGenerate, stream: ndjson },
  },
  '/api/show': { post: { summary: 'A model, as Ollama tells of it', body: rawOllamaShow } },
  '/api/tags': { get: { summary: 'What is served, as Ollama tells of it' } },
  '/api/ps': { get: { summary: 'The same: all of it is loaded' } },
  '/version': { get: { summary: 'The version, and that of the protocol between its processes' } },
  '/api/version': { get: { summary: 'The version, where Ollama tells it' } },
  '/tokenize': { post: { summary: 'The token ids of a text or a conversation', body: rawTokenizeRequest } },
  '/detokenize': { post: { summary: 'The text of token ids', body: rawDetokenizeRequest } },
  '/health': { get: { summary: 'Whether the process lives' } },
  '/ready': { get: { summary: 'Whether a request can be served', query: { model } } },
  '/topology': { get: { summary: 'The stages and their replicas', query: { model } } },
  '/topology/events': {
    get: { summary: 'The same as it changes, and the requests', query: { model }, type: sse },
  },
  '/report': {
    get: {
      summary: 'Where the time went',
      query: { window: { type: 'integer', minimum: 1, default: 60 }, model },
    },
  },
  '/requests': { get: { summary: 'The requests that run, and the last that have ended' } },
  '/requests/{id}': { get: { summary: 'A request with its rounds and its routes' } },
  '/load': { get: { summary: 'Rates and latencies of the last hour', query: { model } } },
  '/results': { get: { summary: 'What benchmarks and experiments have measured' } },
  '/results/{folder}/{file}': { get: { summary: 'The rows of one of them' } },
  '/metrics': { get: { summary: 'For Prometheus', type: 'text/plain' } },
  '/openapi.json': { get: { summary: 'This document' } },
};

/** `GET /openapi.json`: the API as OpenAPI 3.1, its requests by the schemas that check them. */
export function openapi(): RequestHandler {
  const document = {
    openapi: '3.1.0',
    info: { title: 'Layermesh', version: VERSION, license: { name: 'Apache-2.0' } },
    paths: Object.fromEntries(
      Object.entries(PATHS).map(([path, methods]) => [path, pathItem(path, methods)]),
    ),
    components: { schemas: { OpenAIError, AnthropicError, OllamaError } },
  };
  return (_request, response) => void response.json(document);
}

const pathItem = (path: string, methods: Path): object =>
  Object.fromEntries(Object.entries(methods).map(([method, each]) => [method, operation(path, each)]));

function operation(
  path: string,
  { summary, body, stream, type = 'application/json', query = {} }: Operation,
) {
  const inPath = [...path.matchAll(/{(\w+)}/g)].map(([, name]) => {
    return { name, in: 'path', required: true, schema: string };
  });
  const inQuery = Object.entries(query).map(([name, schema]) => ({ name, in: 'query', schema }));
  const answer = type === 'application/json' ? { schema: { type: 'object' } } : { schema: string };
  const error = { 'application/json': { schema: { $ref: `#/components/schemas/${errorOf(path)}` } } };
  return {
    summary,
    ...(inPath.length + inQuery.length > 0 && { parameters: [...inPath, ...inQuery] }),
    ...(body && {
      requestBody: { required: true, content: { 'application/json': { schema: jsonSchemaOf(body) } } },
    }),
    responses: {
      200: {
        description: 'OK',
        // Of a stream there is no schema: tools differ on whether it would be of the whole text, or of an event.
        content: { [type]: answer, ...(stream && { [stream]: {} }) },
      },
      default: { description: 'What went wrong (docs/errors.md)', content: error },
    },
  };
}

function errorOf(path: string): string {
  if (path.startsWith('/v1/messages')) return 'AnthropicError';
  return path.startsWith('/api/') ? 'OllamaError' : 'OpenAIError';
}

const string = { type: 'string' };
const objectOf = (properties: Readonly<Record<string, object>>): object => ({
  type: 'object',
  properties,
  required: Object.keys(properties),
});

const OpenAIError = objectOf({
  error: objectOf({
    message: string,
    type: string,
    param: { type: ['string', 'null'] },
    code: string,
  }),
});
const AnthropicError = objectOf({
  type: { const: 'error' },
  error: objectOf({ type: string, message: string }),
  request_id: string,
});
const OllamaError = objectOf({ error: string });
