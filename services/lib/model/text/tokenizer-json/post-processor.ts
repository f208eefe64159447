import { z } from 'zod';
import { parseSteps } from './steps.js';

export type PostProcessor = (ids: readonly number[]) => number[];

const namedIdSchema = z.tuple([z.string(), z.int()]);
const stepSchema = z.discriminatedUnion('type', [
  z.object({ type: z.literal('ByteLevel') }),
  z.object({ type: z.enum(['BertProcessing', 'RobertaProcessing']), sep: namedIdSchema, cls: namedIdSchema }),
  z.object({
    type: z.literal('TemplateProcessing'),
    single: z.array(
      z.union([
        z.object({ SpecialToken: z.object({ id: z.string() }) }),
        z.object({ Sequence: z.object({ id: z.literal('A') }) }),
      ]),
    ),
    special_tokens: z.record(z.string(), z.object({ ids: z.array(z.int()) })),
  }),
]);

/**
 * Puts special tokens around those of a text, as a tokenizer.json says.
 * Throws `unsupported_tokenizer` for steps that are not known.
 */
export function loadPostProcessor(config: unknown): PostProcessor {
  const steps = parseSteps(config, stepSchema, 'post_processor').map(postProcessor);
  return (ids) => steps.reduce((current, step) => step(current), [...ids]);
}

/**
 * The tokens that a post-processor may put around texts, with their ids.
 * Throws `unsupported_tokenizer` for steps that are not known.
 */
export function tokensAround(config: unknown): (readonly [token: string, id: number])[] {
  return parseSteps(config, stepSchema, 'post_processor').flatMap((step) => {
    if (step.type === 'ByteLevel') return [];
    if (step.type !== 'TemplateProcessing') return [step.cls, step.sep];
    return Object.entries(step.special_tokens).flatMap(([token, { ids }]) =>
      ids.map((id) => [token, id] as const),
    );
  });
}

function postProcessor(step: z.infer<typeof stepSchema>): PostProcessor {
  switch (step.type) {
    case 'ByteLevel':
      return (ids) => [...ids];
    case 'TemplateProcessing':
      return (ids) =>
        step.single.flatMap((part) =>
          'Sequence' in part ? ids : (step.special_tokens[part.SpecialToken.id]?.ids ?? []),
        );
    case 'BertProcessing':
    case 'RobertaProcessing':
      return (ids) => [step.cls[1], ...ids, step.sep[1]];
  }
}
