import { ServingError } from '../../errors/serving-error.js';
import type { ModelConfig } from '../types.js';
import llama2Seven from './llama-2-7b.json' with { type: 'json' };
import llama2Thirteen from './llama-2-13b.json' with { type: 'json' };
import llama2Seventy from './llama-2-70b.json' with { type: 'json' };
import llama3Eight from './llama-3-8b.json' with { type: 'json' };

const shapes: readonly ModelConfig[] = [llama2Seven, llama2Thirteen, llama2Seventy, llama3Eight].map(
  ({ config }) => config,
);

export const shapeNames: readonly string[] = shapes.map(({ name }) => name);

/** The shape of a published model, by name; throws `invalid_config` with the names that there are. */
export function modelShape(name: string): ModelConfig {
  const shape = shapes.find((candidate) => candidate.name === name);
  if (shape !== undefined) return shape;
  throw new ServingError('invalid_config', `"${name}" is no known shape of a model`, {
    hint: `use one of ${shapeNames.join(', ')}`,
  });
}
