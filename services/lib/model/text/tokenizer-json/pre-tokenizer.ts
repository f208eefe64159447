import { z } from 'zod';
import { toByteLevel } from './byte-level.js';
import { expressionOf, parseSteps, patternSchema, SPACE, type Stretch, stretches, WORD } from './steps.js';

/** A part of a text within which tokens are merged. */
export interface Piece {
  readonly text: string;
  /** Nothing of the whole text is before it. */
  readonly first: boolean;
}
export type PreTokenizer = (piece: Piece) => Piece[];

const behaviorSchema = z.enum(['Removed', 'Isolated', 'MergedWithPrevious', 'MergedWithNext', 'Contiguous']);
type Behavior = z.infer<typeof behaviorSchema>;

const stepSchema = z.discriminatedUnion('type', [
  z.object({ type: z.literal('BertPreTokenizer') }),
  z.object({
    type: z.literal('ByteLevel'),
    add_prefix_space: z.boolean().default(true),
    use_regex: z.boolean().default(true),
  }),
  z.object({ type: z.literal('CharDelimiterSplit'), delimiter: z.string() }),
  z.object({ type: z.literal('Digits'), individual_digits: z.boolean().default(false) }),
  z.object({ type: z.literal('FixedLength'), length: z.int().min(1).default(5) }),
  z
    .object({
      type: z.literal('Metaspace'),
      replacement: z.string().default('▁'),
      add_prefix_space: z.boolean().nullish(),
      prepend_scheme: z.enum(['first', 'never', 'always']).optional(),
      split: z.boolean().nullish(),
    })
    // Files from before `prepend_scheme` say it with `add_prefix_space`.
    .transform(({ add_prefix_space: prefix, ...step }) => ({
      ...step,
      prepend_scheme: step.prepend_scheme ?? (prefix === false ? 'never' : 'always'),
    })),
  z.object({ type: z.literal('Punctuation'), behavior: behaviorSchema.default('Isolated') }),
  z.object({
    type: z.literal('Split'),
    pattern: patternSchema,
    behavior: behaviorSchema.default('Isolated'),
    invert: z.boolean().default(false),
  }),
  z.object({ type: z.literal('Whitespace') }),
  z.object({ type: z.literal('WhitespaceSplit') }),
]);

const PUNCTUATION = '\\p{P}$+<=>^`|~';
const GPT2 = new RegExp(
  `'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^${SPACE}\\p{L}\\p{N}]+|${SPACE}+(?!\\P{White_Space})|${SPACE}+`,
  'gu',
);

/**
 * Cuts a text into the pieces within which tokens are merged, as a tokenizer.json says.
 * Throws `unsupported_tokenizer` for steps that are not known.
 */
export function loadPreTokenizer(config: unknown): PreTokenizer {
  const steps = parseSteps(config, stepSchema, 'pre_tokenizer').map(preTokenizer);
  return (piece) => steps.reduce((pieces, step) => pieces.flatMap(step), [piece]);
}

function preTokenizer(step: z.infer<typeof stepSchema>): PreTokenizer {
  switch (step.type) {
    case 'BertPreTokenizer': {
      const words = splitter(new RegExp(`${SPACE}+`, 'gu'), 'Removed');
      const punctuation = splitter(new RegExp(`[${PUNCTUATION}]`, 'gu'), 'Isolated');
      return (piece) => words(piece).flatMap(punctuation);
    }
    case 'ByteLevel': {
      const split = step.use_regex ? splitter(GPT2, 'Isolated') : (piece: Piece) => [piece];
      return ({ text, first }) => {
        const prefixed = step.add_prefix_space && !text.startsWith(' ') ? ` ${text}` : text;
        return split({ text: prefixed, first }).map((piece) => ({
          ...piece,
          text: toByteLevel(piece.text),
        }));
      };
    }
    case 'CharDelimiterSplit':
      return splitter(expressionOf({ String: step.delimiter }), 'Removed');
    case 'Digits':
      return splitter(/\p{N}/gu, step.individual_digits ? 'Isolated' : 'Contiguous');
    case 'FixedLength':
      return splitter(new RegExp(`[\\s\\S]{1,${step.length}}`, 'gu'), 'Isolated');
    case 'Metaspace':
      return metaspace(step.replacement, step.prepend_scheme, step.split ?? true);
    case 'Punctuation':
      return splitter(new RegExp(`[${PUNCTUATION}]`, 'gu'), step.behavior);
    case 'Split':
      return splitter(expressionOf(step.pattern), step.behavior, step.invert);
    case 'Whitespace':
      return splitter(new RegExp(`[${WORD}]+|[^${WORD}${SPACE}]+`, 'gu'), 'Removed', true);
    case 'WhitespaceSplit':
      return splitter(new RegExp(SPACE, 'gu'), 'Removed');
  }
}

function metaspace(replacement: string, scheme: 'first' | 'never' | 'always', split: boolean): PreTokenizer {
  const words = splitter(expressionOf({ String: replacement }), 'MergedWithNext');
  return ({ text, first }) => {
    const escaped = text.replaceAll(' ', replacement);
    const wanted = scheme === 'always' || (scheme === 'first' && first);
    const piece = {
      text: wanted && !escaped.startsWith(replacement) ? replacement + escaped : escaped,
      first,
    };
    return split ? words(piece) : [piece];
  };
}

function splitter(expression: RegExp, behavior: Behavior, invert = false): PreTokenizer {
  return ({ text, first }) => {
    const found = stretches(text, expression).map((one) => ({ ...one, matched: one.matched !== invert }));
    return arranged(found, behavior)
      .filter(({ start, end }) => end > start)
      .map(({ start, end }) => ({ text: text.slice(start, end), first: first && start === 0 }));
  };
}

/** What becomes of the matches: dropped, pieces of their own, or part of a neighbour. */
function arranged(found: readonly Stretch[], behavior: Behavior): readonly Stretch[] {
  switch (behavior) {
    case 'Removed':
      return found.filter(({ matched }) => !matched);
    case 'Isolated':
      return found;
    case 'Contiguous':
      return joined(found, (before, one) => before.matched === one.matched);
    case 'MergedWithPrevious':
      return joined(found, (before, one) => one.matched && !before.matched);
    case 'MergedWithNext':
      return joined(found, (before, one) => before.matched && !one.matched);
  }
}

/** Joins neighbours; whether two belong together depends on what they were, not on what they became. */
function joined(found: readonly Stretch[], together: (before: Stretch, one: Stretch) => boolean): Stretch[] {
  const result: Stretch[] = [];
  found.forEach((one, index) => {
    const last = result.at(-1);
    if (last !== undefined && together(found[index - 1]!, one)) {
      result[result.length - 1] = { ...last, end: one.end };
    } else result.push(one);
  });
  return result;
}
