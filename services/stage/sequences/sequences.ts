import { stageId } from '../../lib/config/app-id.js';
import { ServingError } from '../../lib/errors/serving-error.js';
import type { CalleeLink } from '../../lib/mesh/callee-link.js';
import type { CallerLink } from '../../lib/mesh/caller-link.js';
import type { LinkManager } from '../../lib/mesh/link-manager.js';
import { fromSamplingMessage } from '../../lib/sampling/params.js';
import type { Close, Failed, Open } from '../../lib/wire/gen/stage_pb.js';
import type { Account } from '../accounts/account.js';
import type { StageLabels } from '../accounts/sequence-account.js';
import type { EngineClient } from '../engine/engine-client.js';
import type { SamplerSpec } from '../engine/engine-messages.js';
import { failed, Sequence, type Downstream } from './sequence.js';

export interface SequencesOptions {
  readonly labels: StageLabels;
  readonly engine: Pick<EngineClient, 'open' | 'close'>;
  /** Links to the next stage; null in the head. */
  readonly next: Pick<LinkManager, 'get'> | null;
  readonly account: Account;
  /** Rows are token ids, as in stage 0. */
  readonly takesTokens: boolean;
  /** A sequence has ended: nothing that waits of it is to be computed. */
  onEnd(sequence: Sequence): void;
}

/** Which epoch of which sequence a message is about. */
type Named = Pick<Failed, 'sequence' | 'epoch'>;

/** Another route can help, or the same one later. */
const isMendable = ({ code }: ServingError): boolean =>
  code === 'stream_broken' || code === 'stage_unavailable' || code === 'kv_exhausted';

/** The sequences that are open in a stage, each in the epoch of its newest route: opens, finds, fails and closes them. */
export class Sequences {
  readonly #options: SequencesOptions;
  readonly #open = new Map<string, Sequence>();
  /** Oldest first. The head's tokens go to a gateway's oldest: whoever meets us twice closes the newer link. */
  readonly #callers = new Set<CalleeLink>();
  #draining = false;
  #whenIdle: (() => void) | null = null;

  constructor(options: SequencesOptions) {
    this.#options = options;
  }

  /** Sequences that are open. */
  get size(): number {
    return this.#open.size;
  }

  /** Oldest first. */
  get all(): Sequence[] {
    return [...this.#open.values()];
  }

  /** Whether it takes no new ones any more. */
  get draining(): boolean {
    return this.#draining;
  }

  /** Links of the previous stage's replicas and of gateways, oldest first. */
  get callers(): ReadonlySet<CalleeLink> {
    return this.#callers;
  }

  /** Takes no new sequences from now on; resolves when the running ones have ended. */
  drain(): Promise<void> {
    this.#draining = true;
    if (this.size === 0) return Promise.resolve();
    return new Promise((resolve) => (this.#whenIdle = resolve));
  }

  onCaller(link: CalleeLink): void {
    this.#callers.add(link);
  }

  /** What came over the link fails, and what the head sends back over it. */
  onCallerEnd(link: CalleeLink): void {
    this.#callers.delete(link);
    this.onLinkEnd(link);
  }

  /** Whoever opened these sequences is gone, or who takes what is computed of them. */
  onLinkEnd(link: CalleeLink | CallerLink): void {
    const { appId, replica } = link;
    const reason = new ServingError('stream_broken', `lost ${appId}/${replica}`, { replica });
    for (const sequence of this.all) {
      if (sequence.upstream === link || sequence.downstream.link === link) this.fail(sequence, reason);
    }
  }

  /** The sequence that its caller names: nobody else can feed, fail or close it. */
  findFrom(link: CalleeLink, named: Named): Sequence | undefined {
    const found = this.#find(named);
    return found?.upstream === link ? found : undefined;
  }

  /** The sequence that the replica names to which it is passed on. */
  findTo(link: CallerLink, named: Named): Sequence | undefined {
    const found = this.#find(named);
    return found?.downstream.link === link ? found : undefined;
  }

  /** What belongs to an older epoch, or has been closed, is not found. */
  #find({ sequence: id, epoch }: Named): Sequence | undefined {
    const found = this.#open.get(id);
    return found?.epoch === epoch ? found : undefined;
  }

  /** Reserves room for a sequence and asks the next stage; tells the caller if there is none, or no way on. */
  async open(link: CalleeLink, open: Open): Promise<void> {
    let sequence: Sequence | undefined;
    try {
      this.#leaveOlderEpoch(open);
      const { labels, account, takesTokens, engine } = this.#options;
      const { replica } = labels;
      if (this.#draining) throw new ServingError('stage_unavailable', `${replica} is draining`, { replica });
      const downstream = this.#downstreamOf(open);
      sequence = new Sequence(open, link, downstream, account.sequenceOpened(open, link));
      this.#open.set(sequence.id, sequence);
      const sampler = this.#samplerOf(open);
      const prefix = open.prefix.slice(0, open.cachedBlocks);
      const cached = await engine.open(sequence.key, open.maxLength, sampler, prefix);
      // Closed or moved while the engine was answering: it has been freed already.
      if (sequence.isOpen) sequence.opened(open, cached, takesTokens);
    } catch (error) {
      const reason = ServingError.from(error);
      if (sequence?.isOpen === true) this.#free(sequence, [], reason);
      link.send(failed({ id: open.sequence, epoch: open.epoch }, reason));
    }
  }

  /**
   * Ends a sequence that its caller wants no more, and keeps of the blocks that it names those that are verified; of one that
   * is not found nothing is left to close.
   */
  close(link: CalleeLink, close: Close): void {
    const sequence = this.findFrom(link, close);
    if (sequence !== undefined) this.#end(sequence, sequence.verified(close.prefix));
  }

  /**
   * Tells upstream that a sequence cannot go on; of one that is not found, or has ended, nothing is left to fail. What
   * has been computed of it is kept, where another attempt may go on with it.
   */
  fail(sequence: Sequence | undefined, reason: ServingError): void {
    if (sequence?.isOpen !== true) return;
    sequence.fail(reason);
    this.#end(sequence, isMendable(reason) ? sequence.begun : [], reason);
  }

  /** `prefix` names the blocks to be kept of it, here and further on. */
  #end(sequence: Sequence, prefix: readonly string[], reason?: ServingError): void {
    sequence.closeDownstream(prefix);
    this.#free(sequence, this.#draining ? [] : prefix, reason);
  }

  #free(sequence: Sequence, prefix: readonly string[], reason?: ServingError): void {
    const { account, engine } = this.#options;
    sequence.isOpen = false;
    account.sequenceEnded(sequence.account, reason);
    this.#open.delete(sequence.id);
    engine.close(sequence.key, prefix);
    this.#options.onEnd(sequence);
    if (this.size === 0) this.#whenIdle?.();
  }

  /**
   * Its `Close` may come late, by another way than this `Open`, or never; what has been computed is kept for what is opened.
   * Throws when it is the `Open` that is late.
   */
  #leaveOlderEpoch({ sequence: id, epoch }: Open): void {
    const current = this.#open.get(id);
    if (current === undefined) return;
    if (current.epoch >= epoch)
      throw new ServingError('stage_unavailable', `${id} is open in epoch ${current.epoch} already`);
    this.#end(current, current.begun);
  }

  #downstreamOf(open: Open): Downstream {
    const { next, labels } = this.#options;
    const following = labels.index + 1;
    if (next === null) {
      const link = [...this.#callers].find(({ replica }) => replica === open.gateway);
      if (link === undefined)
        throw new ServingError('stage_unavailable', `no link to gateway ${open.gateway}`);
      return { to: 'gateway', link };
    }
    const wanted = open.route[following] ?? '';
    const link = next.get(wanted);
    if (link === undefined) {
      const appId = stageId(labels.meshName ?? '', following);
      throw new ServingError('stage_unavailable', `no link to ${appId}/${wanted}`, { replica: wanted });
    }
    return { to: 'stage', link };
  }

  #samplerOf(open: Open): SamplerSpec | null {
    if (this.#options.next !== null) return null;
    if (open.sampling === undefined) throw new ServingError('invalid_frame', 'an open without sampling');
    const { prompt, sampled, score = null } = open;
    return { params: fromSamplingMessage(open.sampling), prompt, sampled, score };
  }
}
