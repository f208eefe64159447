import { z } from 'zod';

/**
 * How a checkpoint wants tokens sampled where a request does not say, by the names that generation_config.json and
 * requests share. As in vLLM these five count, and `do_sample` does not.
 */
export const samplingDefaults = z
  .object({
    temperature: z.number().min(0).max(2),
    top_p: z.number().min(0).max(1),
    /** -1 and 0 are off. */
    top_k: z.int().min(-1),
    min_p: z.number().min(0).max(1),
    // Wide enough for any use, and narrow enough that no logit can overflow.
    repetition_penalty: z.number().min(0.01).max(100),
  })
  .partial();

export type SamplingDefaults = z.infer<typeof samplingDefaults>;

/** That of an opened model, which has defaults itself. */
type Warn = (problem: string, consequence: string) => void;

const FIELDS = samplingDefaults.keyof().options;

/** What llama.cpp's converter makes of generation_config.json. */
const GGUF_KEYS = {
  temperature: 'general.sampling.temp',
  top_p: 'general.sampling.top_p',
  top_k: 'general.sampling.top_k',
  min_p: 'general.sampling.min_p',
  repetition_penalty: 'general.sampling.penalty_repeat',
} as const;

/** Of a parsed generation_config.json. What no request could ask for is warned of and left out; null is left out. */
export const samplingOfFolder = (generation: Readonly<Record<string, unknown>>, warn: Warn) =>
  parse((field) => [`generation_config.json: ${field}`, generation[field]], warn);

/** Of a GGUF's metadata, likewise. */
export const samplingOfGguf = (metadata: Readonly<Record<string, unknown>>, warn: Warn) =>
  parse((field) => [GGUF_KEYS[field], plainNumber(metadata[GGUF_KEYS[field]])], warn);

function parse(
  stated: (field: keyof SamplingDefaults) => [name: string, value: unknown],
  warn: Warn,
): SamplingDefaults {
  const found: SamplingDefaults = {};
  for (const field of FIELDS) {
    const [name, value] = stated(field);
    const parsed = samplingDefaults.shape[field].safeParse(value ?? undefined);
    if (!parsed.success) {
      const problem = parsed.error.issues[0]!.message.replace(/^[^:]*: /, '');
      warn(`${name}${shown(value)}: ${problem}`, 'the value is not used');
    } else if (parsed.data !== undefined) {
      found[field] = parsed.data;
    }
  }
  return found;
}

/** Of a list or an object, which may be of any depth, nothing. */
function shown(value: unknown): string {
  if (typeof value === 'string') return ` is ${JSON.stringify(value.slice(0, 80))}`;
  return typeof value === 'number' || typeof value === 'boolean' ? ` is ${value}` : '';
}

/** A 32-bit float such as 0.2 as it was written, and not as the 64-bit number next to it; an integer of 64 bits as any other. */
function plainNumber(value: unknown): unknown {
  if (typeof value === 'bigint') return Number(value);
  return typeof value === 'number' ? Number(value.toPrecision(7)) : value;
}
