import { z } from 'zod';
import { ServingError } from '../../../errors/serving-error.js';
import { SplitPreTokenizer } from '@huggingface/tokenizers';

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

/** What a step of a tokenizer.json looks for: a text, or an expression of Oniguruma's. */
export const patternSchema = z.union([z.object({ String: z.string() }), z.object({ Regex: z.string() })]);
type Pattern = z.infer<typeof patternSchema>;

/** A stretch of a text, in UTF-16 units; `matched` tells a pattern's matches from what lies between them. */
export interface Stretch {
  readonly start: number;
  readonly end: number;
  readonly matched: boolean;
}

/** An expression that matches just this text. */
export const escaped = (text: string): string => text.replaceAll(/[$()*+.?[\\\]^{|}]/g, '\\$&');

/** The pattern as a global expression. The library knows how Oniguruma's differ from JavaScript's. */
export function expressionOf(pattern: Pattern): RegExp {
  if ('String' in pattern) return new RegExp(escaped(pattern.String), 'gu');
  try {
    const { pattern: expression } = new SplitPreTokenizer({ pattern, invert: true });
    if (expression !== null) return expression;
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new ServingError('unsupported_tokenizer', `the tokenizer's expression cannot be read: ${reason}`, {
      cause,
    });
  }
  throw new ServingError('unsupported_tokenizer', `the tokenizer has the pattern ${JSON.stringify(pattern)}`);
}

/** The text in order: the expression's matches and what lies between them. */
export function stretches(text: string, expression: RegExp): Stretch[] {
  const found: Stretch[] = [];
  let at = 0;
  for (const { index, 0: match } of text.matchAll(expression)) {
    // As in Rust, nothing is found where a match has just ended.
    if (match === '' && index === at && found.length > 0) continue;
    if (index > at) found.push({ start: at, end: index, matched: false });
    at = index + match.length;
    found.push({ start: index, end: at, matched: true });
  }
  if (at < text.length) found.push({ start: at, end: text.length, matched: false });
  return found;
}

// White space and word characters of Rust and of Oniguruma, which are not those of JavaScript's \s and \w.
export const SPACE = '\\p{White_Space}';
export const WORD = '\\p{Alphabetic}\\p{M}\\p{Nd}\\p{Pc}\\p{Join_Control}';
const IS_SPACE = new RegExp(SPACE, 'u');

/** Where the run of spaces that ends at a position begins, but no earlier than `least`. */
export function startOfSpaces(text: string, position: number, least: number): number {
  let at = position;
  while (at > least && IS_SPACE.test(text[at - 1]!)) at -= 1;
  return Math.max(at, least);
}

/** Where the run of spaces that begins at a position ends. */
export function endOfSpaces(text: string, position: number): number {
  let at = position;
  while (at < text.length && IS_SPACE.test(text[at]!)) at += 1;
  return at;
}
