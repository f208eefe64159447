import { z } from 'zod';
import { ServingError } from '../../errors/serving-error.js';

/** The fields that hold the steps of a part which is a sequence, by the part's name in a tokenizer.json. */
const LISTS = {
  normalizer: 'normalizers',
  pre_tokenizer: 'pretokenizers',
  post_processor: 'processors',
  decoder: 'decoders',
} as const;

/**
 * The steps of one part of a tokenizer.json in order, sequences within sequences laid flat; none for null.
 * Throws `unsupported_tokenizer` with the step that the schema does not know.
 */
export function parseSteps<Schema extends z.ZodType>(
  config: unknown,
  schema: Schema,
  part: keyof typeof LISTS,
): z.infer<Schema>[] {
  if (config === null || config === undefined) return [];
  const sequence = z.object({ type: z.literal('Sequence'), [LISTS[part]]: z.array(z.unknown()) });
  const nested = sequence.safeParse(config);
  if (nested.success) {
    return (nested.data[LISTS[part]] as unknown[]).flatMap((step) => parseSteps(step, schema, part));
  }
  const parsed = schema.safeParse(config);
  if (parsed.success) return [parsed.data];
  const step = JSON.stringify(config);
  const shown = step.length > 200 ? `${step.slice(0, 200)}…` : step;
  throw new ServingError('unsupported_tokenizer', `the tokenizer's ${part} has the step ${shown}`);
}
