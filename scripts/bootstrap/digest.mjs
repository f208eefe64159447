// @ts-check
import { createHash } from 'node:crypto';

/**
 * sha256 in hex of the parts, in order.
 * @param {...(string | Uint8Array)} parts
 */
export function digestOf(...parts) {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part).update('\0');
  return hash.digest('hex');
}
