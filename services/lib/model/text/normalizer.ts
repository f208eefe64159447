import { z } from 'zod';
import { toByteLevel } from './byte-alphabet.js';
import { expressionOf, patternSchema, stretches } from './pattern.js';
import { parseSteps } from './steps.js';

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
    case 'Strip': {
      const left = step.strip_left ? /^\p{White_Space}+/u : undefined;
      const right = step.strip_right ? /\p{White_Space}+$/u : undefined;
      return (text) => {
        const rest = left === undefined ? text : text.replace(left, '');
        return right === undefined ? rest : rest.replace(right, '');
      };
    }
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
