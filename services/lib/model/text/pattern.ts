import { SplitPreTokenizer } from '@huggingface/tokenizers';
import { z } from 'zod';
import { ServingError } from '../../errors/serving-error.js';

/** What a step of a tokenizer.json looks for: a text, or an expression of Oniguruma's. */
export const patternSchema = z.union([z.object({ String: z.string() }), z.object({ Regex: z.string() })]);
export type Pattern = z.infer<typeof patternSchema>;

/** A stretch of a text, in UTF-16 units; `matched` tells a pattern's matches from what lies between them. */
export interface Stretch {
  readonly start: number;
  readonly end: number;
  readonly matched: boolean;
}

/** The pattern as a global expression. The library knows how Oniguruma's differ from JavaScript's. */
export function expressionOf(pattern: Pattern): RegExp {
  if ('String' in pattern) return new RegExp(pattern.String.replaceAll(/[$()*+.?[\\\]^{|}]/g, '\\$&'), 'gu');
  try {
    const { pattern: expression } = new SplitPreTokenizer({ pattern, invert: true });
    if (expression !== null) return expression;
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new ServingError('unsupported_tokenizer', `the tokenizer's expression can not be read: ${reason}`, {
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
