import { randomUUID } from 'node:crypto';
import type { GenerationSettings } from '../lib/openai/generation-fields.js';
import type { ResponseHead } from '../lib/openai/response-format.js';
import type { ServedModel } from '../lib/openai/served-model.js';

/** What all chunks of an answer share. */
export function newResponseHead(model: ServedModel, { includeUsage }: GenerationSettings): ResponseHead {
  return {
    model: model.id,
    created: Math.floor(Date.now() / 1000),
    key: randomUUID().replaceAll('-', ''),
    includeUsage,
  };
}
