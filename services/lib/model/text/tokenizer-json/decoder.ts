import { z } from 'zod';
import { fromByteLevel } from './byte-level.js';
import { parseSteps } from './steps.js';

/** What one token contributes to the text, in UTF-8 bytes: tokens need not end on a character's boundary. */
export interface TokenBytes {
  bytes(token: string): Uint8Array;
  /** The text begins with a space that the encoder put there. */
  readonly stripsLeadingSpace: boolean;
}

const stepSchema = z.discriminatedUnion('type', [
  z.object({ type: z.literal('ByteLevel') }),
  z.object({ type: z.literal('ByteFallback') }),
  z.object({ type: z.literal('Fuse') }),
  z.object({
    type: z.literal('Replace'),
    pattern: z.object({ String: z.string() }),
    content: z.string(),
  }),
  z.object({ type: z.literal('Strip'), content: z.literal(' '), start: z.number(), stop: z.literal(0) }),
  z.object({
    type: z.literal('Metaspace'),
    replacement: z.string().default('▁'),
    prepend_scheme: z.string().default('always'),
    add_prefix_space: z.boolean().default(true),
  }),
]);
type Step = z.infer<typeof stepSchema>;

/**
 * Reads the `decoder` of a tokenizer.json token by token, which is what streaming needs.
 * Throws `unsupported_tokenizer` for decoders that look at more than one token.
 */
export function tokenBytes(decoder: unknown): TokenBytes {
  const steps = parseSteps(decoder, stepSchema, 'decoder');
  const text = new TextEncoder();
  const byteLevel = steps.some(({ type }) => type === 'ByteLevel');
  const byteFallback = steps.some(({ type }) => type === 'ByteFallback');

  return {
    bytes(token) {
      if (byteLevel) return fromByteLevel(token) ?? text.encode(token);
      const byte = byteFallback ? /^<0x([0-9A-Fa-f]{2})>$/.exec(token)?.[1] : undefined;
      if (byte !== undefined) return Uint8Array.of(Number.parseInt(byte, 16));
      return text.encode(steps.reduce(unescape, token));
    },
    stripsLeadingSpace: steps.some(stripsSpace),
  };
}

function unescape(token: string, step: Step): string {
  if (step.type === 'Replace') return token.replaceAll(step.pattern.String, step.content);
  if (step.type === 'Metaspace') return token.replaceAll(step.replacement, ' ');
  return token;
}

function stripsSpace(step: Step): boolean {
  if (step.type === 'Strip') return step.start > 0;
  return step.type === 'Metaspace' && step.add_prefix_space && step.prepend_scheme !== 'never';
}
