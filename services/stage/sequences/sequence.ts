import type { CalleeLink } from '../../lib/mesh/callee-link.js';
import type { CallerLink } from '../../lib/mesh/caller-link.js';
import { message } from '../../lib/wire/codec.js';
import { PREFIX_BLOCK, prefixBlocks } from '../../lib/model/prefix-blocks.js';
import type { Open } from '../../lib/wire/gen/stage_pb.js';
import type { ServingError } from '../../lib/errors/serving-error.js';
import type { Rows } from '../../lib/wire/frames.js';
import type { SequenceAccount } from '../accounts/sequence-account.js';

/** One running generation as a stage sees it: where its rows come from, and where they go. */
export class Sequence {
  readonly id: string;
  readonly epoch: number;
  /** Where its frames come from, and its failures go. */
  readonly upstream: CalleeLink;
  /** The next stage's replica, or, in the head, the gateway that wants the tokens. */
  readonly downstream: Downstream;
  readonly account: SequenceAccount;
  /** Its replicas after stage 0: sequences that have them in common can be computed together all the way. */
  readonly lane: string;
  /** Tokens that the engine has of it; none while it waits for its first step. */
  cached = 0;
  /** Tokens that the engine had of it when it was opened: its prompt's first rows come after these. */
  startsAt = 0;
  /** Until it is closed here, or has failed: what is computed of it is still wanted. */
  isOpen = true;
  readonly #maxLength: number;
  readonly #prefix: readonly string[];
  /** Null but in stage 0. */
  #seen: SeenTokens | null = null;
  /** Rows received so far; the position of the next one. */
  #received = 0;

  constructor(open: Open, upstream: CalleeLink, downstream: Downstream, account: SequenceAccount) {
    this.id = open.sequence;
    this.epoch = open.epoch;
    this.upstream = upstream;
    this.downstream = downstream;
    this.account = account;
    this.lane = open.route.slice(1).join();
    this.#maxLength = open.maxLength;
    this.#prefix = open.prefix;
  }

  /** The engine's name for it: a sequence that comes back in a new epoch is another one to the engine. */
  get key(): string {
    return `${this.id}/${this.epoch}`;
  }

  /** Books an item's rows, which may replace the last ones; false when they would leave a gap or pass the length. */
  advance(content: Rows): boolean {
    const { position, count } = content.item;
    if (position > this.#received || position + count > this.#maxLength) return false;
    this.#received = position + count;
    if ('tokens' in content) this.#seen?.add(position, content.tokens);
    return true;
  }

  /** Of the names of blocks that it begins with, those under which they may be kept. */
  verified(names: readonly string[]): readonly string[] {
    return this.#seen === null ? names : this.#seen.verified(names);
  }

  /** What may be kept of it when it must go before its end: the engine knows how far it has come. */
  get begun(): readonly string[] {
    return this.verified(this.#prefix);
  }

  /**
   * Room is reserved here, and so many tokens are cached: asks the next stage, or tells the gateway that the
   * whole route has agreed. Where rows are token ids, as in stage 0, they are seen from now on.
   */
  opened(open: Open, cachedTokens: number, takesTokens: boolean): void {
    const { downstream, id, epoch } = this;
    this.#received = cachedTokens;
    this.cached = cachedTokens;
    this.startsAt = cachedTokens;
    if (takesTokens) this.#seen = new SeenTokens(open, cachedTokens);
    if (downstream.to === 'stage') {
      const cachedBlocks = cachedTokens / PREFIX_BLOCK;
      const traceparent = this.account.spans?.traceparent ?? '';
      downstream.link.send(message({ case: 'open', value: { ...open, cachedBlocks, traceparent } }));
    } else {
      downstream.link.send(message({ case: 'opened', value: { sequence: id, epoch, cachedTokens } }));
    }
  }

  /** Tells upstream that the sequence cannot go on. */
  fail(reason: ServingError): void {
    this.upstream.send(failed(this, reason));
  }

  /** Passes the end on, with the blocks that may be kept. */
  closeDownstream(prefix: readonly string[]): void {
    if (this.downstream.to === 'stage') this.downstream.link.send(closed(this, prefix));
  }
}

export type Downstream =
  | { readonly to: 'stage'; readonly link: CallerLink }
  | { readonly to: 'gateway'; readonly link: CalleeLink };

type Named = Pick<Sequence, 'id' | 'epoch'>;

/** The message that tells upstream that a sequence cannot go on, in the epoch in which it was opened. */
export const failed = ({ id, epoch }: Named, { code, message: text, replica }: ServingError) =>
  message({ case: 'failed', value: { sequence: id, epoch, code, message: text, replica: replica ?? '' } });

const closed = ({ id, epoch }: Named, prefix: readonly string[]) =>
  message({ case: 'close', value: { sequence: id, epoch, prefix: [...prefix] } });

/**
 * What stage 0 has seen of a sequence's tokens. What is kept of a sequence is kept under the names that its caller
 * gives, and whoever comes later with a prompt of such names gets it; so the names are verified here, where the
 * tokens come by, and the stages after this one hear only of those that are true.
 */
class SeenTokens {
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
