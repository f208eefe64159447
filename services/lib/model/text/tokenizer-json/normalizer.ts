import { z } from 'zod';
import { toByteLevel } from './byte-level.js';
import { expressionOf, parseSteps, patternSchema, stretches, endOfSpaces, startOfSpaces } from './steps.js';

export type Normalizer = (text: string) => string;

const stepSchema = z.discriminatedUnion('type', [
  z.object({ type: z.enum(['NFC', 'NFD', 'NFKC', 'NFKD']) }),
  z.object({ type: z.literal('Lowercase') }),
  z.object({ type: z.literal('StripAccents') }),
  z.object({ type: z.literal('ByteLevel') }),
  z.object({ type: z.literal('Strip'), strip_left: z.boolean(), strip_right: z.boolean() }),
  z.object({ type: z.literal('Prepend'), prepend: z.string() }),
  z.object({ type: z.literal('Replace'), pattern: patternSchema, content: z.string() }),
]);

/**
 * What a tokenizer.json does to a text before anything else looks at it; null where it does nothing.
 * Throws `unsupported_tokenizer` for steps that are not known.
 */
export function loadNormalizer(config: unknown): Normalizer | null {
  const steps = parseSteps(config, stepSchema, 'normalizer').map(normalizer);
  return steps.length === 0 ? null : (text) => steps.reduce((current, step) => step(current), text);
}

function normalizer(step: z.infer<typeof stepSchema>): Normalizer {
  switch (step.type) {
    case 'Lowercase':
      // Letter by letter: JavaScript alone would write a sigma at the end of a word in its own form.
      return (text) => text.replaceAll('Σ', 'σ').toLowerCase();
    case 'StripAccents':
      return (text) => text.replaceAll(/\p{M}/gu, '');
    case 'ByteLevel':
      return (text) => toByteLevel(text);
    case 'Strip':
      return (text) => {
        const start = step.strip_left ? endOfSpaces(text, 0) : 0;
        return text.slice(start, step.strip_right ? startOfSpaces(text, text.length, start) : text.length);
      };
    case 'Prepend':
      return (text) => (text === '' ? '' : step.prepend + text);
    case 'Replace': {
      const expression = expressionOf(step.pattern);
      return (text) =>
        stretches(text, expression)
          .map(({ start, end, matched }) => (matched ? step.content : text.slice(start, end)))
          .join('');
    }
    case 'NFC':
    case 'NFD':
    case 'NFKC':
    case 'NFKD':
      return (text) => text.normalize(step.type);
  }
}
