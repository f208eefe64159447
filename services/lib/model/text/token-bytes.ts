import { z } from 'zod';
import { ServingError } from '../../errors/serving-error.js';

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
  const steps = flatten(decoder).map(parseStep);
  const text = new TextEncoder();
  const byteLevel = steps.some(({ type }) => type === 'ByteLevel');
  const byteFallback = steps.some(({ type }) => type === 'ByteFallback');

  return {
    bytes(token) {
      if (byteLevel) return fromByteLevel(token) ?? text.encode(token);
      const byte = byteFallback ? /^<0x([0-9A-F]{2})>$/.exec(token)?.[1] : undefined;
      if (byte !== undefined) return Uint8Array.of(Number.parseInt(byte, 16));
      return text.encode(steps.reduce(unescape, token));
    },
    stripsLeadingSpace: steps.some(stripsSpace),
  };
}

function flatten(decoder: unknown): unknown[] {
  const sequence = z.object({ type: z.literal('Sequence'), decoders: z.array(z.unknown()) });
  const parsed = sequence.safeParse(decoder);
  return parsed.success ? parsed.data.decoders.flatMap(flatten) : [decoder];
}

function parseStep(step: unknown): Step {
  const parsed = stepSchema.safeParse(step);
  if (parsed.success) return parsed.data;
  throw new ServingError(
    'unsupported_tokenizer',
    `the tokenizer's decoder has the step ${JSON.stringify(step)}`,
  );
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

/** GPT-2's byte alphabet: printable Latin-1 stands for itself, the other bytes for U+0100 onwards. */
export const BYTE_OF_CHARACTER = ((): ReadonlyMap<string, number> => {
  const printable = (byte: number): boolean =>
    (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte !== 0xad && byte <= 0xff);
  const bytes = Array.from({ length: 256 }, (_, byte) => byte);
  const shifted = bytes.filter((byte) => !printable(byte));
  return new Map(
    bytes.map((byte) => [String.fromCharCode(printable(byte) ? byte : 0x100 + shifted.indexOf(byte)), byte]),
  );
})();

/** The bytes that a byte-level token spells, or undefined where it holds characters of no byte. */
function fromByteLevel(token: string): Uint8Array | undefined {
  const bytes = Array.from(token, (character) => BYTE_OF_CHARACTER.get(character));
  return bytes.every((byte) => byte !== undefined) ? Uint8Array.from(bytes) : undefined;
}
