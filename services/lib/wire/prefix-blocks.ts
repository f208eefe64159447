import { createHash } from 'node:crypto';

/** Tokens of a block. The keys and values of finished sequences are kept, named and reused by whole blocks. */
export const PREFIX_BLOCK = 32;

const NAME_BYTES = 16;

/**
 * Names the whole blocks that `tokens` begin with. A name stands for the block's tokens and all before them,
 * so sequences share a block's name if and only if they are the same up to its end. It is 128 bits of a chain
 * of SHA-256 digests: nobody can choose a prompt that is answered from the keys and values of another.
 *
 * `known` are names of leading blocks that need not be computed again.
 */
export function prefixBlocks(tokens: readonly number[], known: readonly string[] = []): string[] {
  const count = Math.floor(tokens.length / PREFIX_BLOCK);
  const names = known.slice(0, count);
  while (names.length < count) {
    const start = names.length * PREFIX_BLOCK;
    const block = Uint32Array.from(tokens.slice(start, start + PREFIX_BLOCK));
    const digest = createHash('sha256')
      .update(names.at(-1) ?? '')
      .update(block)
      .digest();
    names.push(digest.toString('base64url', 0, NAME_BYTES));
  }
  return names;
}
