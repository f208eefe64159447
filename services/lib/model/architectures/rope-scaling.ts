import { z } from 'zod';
import { ServingError } from '../../errors/serving-error.js';
import { count, parseFields, positive } from '../checkpoint/metadata.js';
import type { ModelConfig, RopeScaling } from '../types.js';

/**
 * Scaling as a GGUF keeps it. Llama 3.1's is not parameters but the tensor `rope_freqs.weight`: one divisor
 * per frequency, computed from them by llama.cpp's converter. Linear scaling is metadata; llama.cpp takes a
 * factor without a type for linear, and 0 for none.
 */
export function ggufRopeScaling(
  type = 'linear',
  factor = 1,
  factors: readonly number[] | null = null,
): RopeScaling | null {
  if (type !== 'linear' && type !== 'none') unsupported(type);
  const scaled = type === 'linear' && factor !== 0 && factor !== 1;
  if (factors === null) return scaled ? { type: 'linear', factor } : null;
  if (scaled) unsupported('linear with factors');
  if (!factors.every((divisor) => divisor > 0 && Number.isFinite(divisor))) {
    throw new ServingError('checkpoint_invalid', 'a rotary factor is not a positive number');
  }
  return { type: 'factors', factors };
}

const linearSchema = z.object({ factor: positive });
const llama3Schema = z.object({
  factor: positive,
  low_freq_factor: positive,
  high_freq_factor: positive,
  original_max_position_embeddings: count,
});
const kindSchema = z.looseObject({ rope_type: z.string().nullish(), type: z.string().nullish() });
const ropeSchema = z.object({
  rope_theta: positive.default(10_000),
  rope_scaling: kindSchema.optional(),
  rope_parameters: kindSchema.extend({ rope_theta: positive.nullish() }).optional(),
});

/**
 * The rotary fields of a config.json: `rope_theta` and `rope_scaling` (whose kind is `rope_type`, once
 * `type`), or both in `rope_parameters` since transformers 5.
 */
export function huggingFaceRope(json: unknown): Pick<ModelConfig, 'ropeTheta' | 'ropeScaling'> {
  const fields = parseFields(ropeSchema, json, 'config.json');
  const ropeTheta = fields.rope_parameters?.rope_theta ?? fields.rope_theta;
  const scaling = fields.rope_parameters ?? fields.rope_scaling;
  const type = scaling?.rope_type ?? scaling?.type ?? 'default';
  return { ropeTheta, ropeScaling: parseScaling(type, scaling) };
}

function parseScaling(type: string, scaling: unknown): RopeScaling | null {
  switch (type) {
    case 'default':
      return null;
    case 'linear':
      return { type, factor: parseFields(linearSchema, scaling, 'config.json: rope_scaling').factor };
    case 'llama3': {
      const fields = parseFields(llama3Schema, scaling, 'config.json: rope_scaling');
      return {
        type,
        factor: fields.factor,
        lowFrequencyFactor: fields.low_freq_factor,
        highFrequencyFactor: fields.high_freq_factor,
        originalMaxPositions: fields.original_max_position_embeddings,
      };
    }
    default:
      return unsupported(type);
  }
}

function unsupported(type: string): never {
  throw new ServingError(
    'unsupported_architecture',
    `rotary scaling "${type.slice(0, 80)}" is not supported`,
  );
}
