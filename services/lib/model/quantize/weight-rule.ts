import { readFileSync } from 'node:fs';
import { ServingError } from '../../errors/serving-error.js';

/**
 * Which integer weights a processor multiplies exactly: any (`free`), or those of which no two neighbours
 * along the input, 2k and 2k + 1, add up to more than 128 (`bounded-pairs`).
 *
 * Before VNNI, x86 adds the products of two neighbours in 16 bits. Activations go up to 255, and 255 · 128 is
 * the last that fits.
 */
export type WeightRule = 'free' | 'bounded-pairs';

/** The rule of this processor. Architectures other than x86 add in 32 bits. */
export function weightRule(architecture: string = process.arch, cpuinfo = '/proc/cpuinfo'): WeightRule {
  return architecture === 'x64' && !hasVnni(cpuinfo) ? 'bounded-pairs' : 'free';
}

/** Where the system does not say, the safe answer. */
function hasVnni(cpuinfo: string): boolean {
  try {
    return /^flags\s*:.*\b(avx512_vnni|avx_vnni)\b/m.test(readFileSync(cpuinfo, 'utf8'));
  } catch {
    return false;
  }
}

/** Refuses shards whose weights a processor, this one by default, would multiply wrongly: `shards_invalid`. */
export function checkWeightRule(
  shards: { readonly directory: string; readonly weightRule: WeightRule | null },
  processor: WeightRule = weightRule(),
): void {
  if (shards.weightRule !== 'free' || processor === 'free') return;
  throw new ServingError(
    'shards_invalid',
    `${shards.directory} was prepared on a processor with VNNI, which this one lacks`,
  );
}
