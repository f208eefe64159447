import { createHash } from 'node:crypto';

/** Tokens of a block. The keys and values of finished sequences are kept, named and reused by whole blocks. */
export const PREFIX_BLOCK = 32;

const NAME_BYTES = 16;

/** What names depend on beside the tokens. */
interface NamingOptions {
  /** Names of leading blocks, which need not be computed again. */
  readonly known?: readonly string[];
  /** Who gives another salt shares no block; empty for all who give none. */
  readonly salt?: string | undefined;
}

/**
 * Names the whole blocks that `tokens` begin with. A name stands for the block's tokens and all before them,
 * so sequences share a block's name if and only if they are the same up to its end, and have the same salt. It is
 * 128 bits of a chain of SHA-256 digests: nobody can choose a prompt that is answered from the keys and values of
 * another.
 */
export function prefixBlocks(tokens: readonly number[], options: NamingOptions = {}): string[] {
  const { known = [], salt = '' } = options;
  const count = Math.floor(tokens.length / PREFIX_BLOCK);
  const names = known.slice(0, count);
  while (names.length < count) {
    const start = names.length * PREFIX_BLOCK;
    const block = Uint32Array.from(tokens.slice(start, start + PREFIX_BLOCK));
    const digest = createHash('sha256')
      .update(names.at(-1) ?? rootOf(salt))
      .update(block)
      .digest();
    names.push(digest.toString('base64url', 0, NAME_BYTES));
  }
  return names;
}

/** What the chain begins with: nothing that a block's name could be, for no name has a colon. */
const rootOf = (salt: string): string =>
  salt === '' ? '' : `salt:${createHash('sha256').update(salt).digest('base64url')}`;
