import { readFileSync } from 'node:fs';

/**
 * Bits of an integer weight that this processor multiplies exactly. Before VNNI, x86 adds two u8 · s8 products
 * in 16 bits, which 8-bit weights overflow and 7-bit weights do not. Other architectures are not affected.
 */
export function weightBits(architecture: string = process.arch, cpuinfo = '/proc/cpuinfo'): 7 | 8 {
  return architecture === 'x64' && !hasVnni(cpuinfo) ? 7 : 8;
}

/** Where the system does not say, the safe answer. */
function hasVnni(cpuinfo: string): boolean {
  try {
    return /^flags\s*:.*\b(avx512_vnni|avx_vnni)\b/m.test(readFileSync(cpuinfo, 'utf8'));
  } catch {
    return false;
  }
}
