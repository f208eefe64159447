import { PREFIX_BLOCK, prefixBlocks } from '../../lib/model/prefix-blocks.js';
import type { Open } from '../../lib/wire/gen/stage_pb.js';

/**
 * What stage 0 has seen of a sequence's tokens. What is kept of a sequence is kept under the names that its caller
 * gives, and whoever comes later with a prompt of such names gets it; so the names are verified here, where the
 * tokens come by, and the stages after this one hear only of those that are true.
 */
export class SeenTokens {
  readonly #open: Pick<Open, 'prefix' | 'cacheSalt'>;
  /** All of them, with zeros for what was cached before it came. */
  readonly #tokens: number[];
  /** So many leading ones have not been seen: they are named by the blocks that they were found under. */
  #unseen: number;

  constructor(open: Pick<Open, 'prefix' | 'cacheSalt'>, cachedTokens: number) {
    this.#open = open;
    this.#tokens = new Array<number>(cachedTokens).fill(0);
    this.#unseen = cachedTokens;
  }

  /** Tokens that stand from `position` on, and replace what stood there. */
  add(position: number, tokens: readonly number[]): void {
    this.#unseen = Math.min(this.#unseen, position);
    this.#tokens.length = position;
    for (const token of tokens) this.#tokens.push(token);
  }

  /** Of the names of leading blocks those that are true. */
  verified(names: readonly string[]): string[] {
    const { prefix, cacheSalt: salt } = this.#open;
    const known = prefix.slice(0, this.#unseen / PREFIX_BLOCK);
    const own = prefixBlocks(this.#tokens, { known, salt });
    const wrong = own.findIndex((name, index) => name !== names[index]);
    return wrong === -1 ? own : own.slice(0, wrong);
  }
}
