import type { ServingError } from '../lib/errors/serving-error.js';
import type { CallerLink } from '../lib/mesh/caller-link.js';
import { samplesByPrompt, toSamplingMessage } from '../lib/sampling/sampling-message.js';
import { message } from '../lib/wire/codec.js';
import type { StageTime } from '../lib/wire/gen/stage_pb.js';
import { prefixBlocks } from '../lib/model/prefix-blocks.js';
import type { GenerateRequest } from './backend.js';
import type { Drafter } from './drafter.js';
import type { Outbox } from './outbox.js';

export interface GatewaySequenceOptions {
  readonly id: string;
  readonly epoch: number;
  /** A link to one replica of each stage, stage 0 first. */
  readonly route: readonly CallerLink[];
  readonly request: GenerateRequest;
  /** The prompt and all that has been sampled, on earlier routes too. Its owner adds what `onTokens` brings. */
  readonly tokens: readonly number[];
  /** Our own replica id, to which the head sends the tokens. */
  readonly gateway: string;
  readonly outbox: Outbox;
  /** Rows of a chunk of a prompt of which so many are to be computed, as things are. */
  prefillChunk(rows: number): number;
  /** Guesses tokens that the mesh verifies together with the next one; null where it is not to be tried. */
  readonly drafter: Drafter | null;
  /** Names of the blocks that `tokens` begin with now; null where none are to be kept or reused. */
  readonly prefix: readonly string[] | null;
  /** Every stage has agreed; so many leading tokens are cached in all of them. */
  onAgreed(cachedTokens: number): void;
  /** A step's tokens, the next of the sequence. */
  onTokens(tokens: readonly number[]): void;
  /** It can not go on over this route; it is still to be closed. */
  onFailed(reason: ServingError, why: 'replica_lost' | 'step_timeout'): void;
}

/** One sequence on one route, from `Open` to `Close`, as the gateway drives it. */
export class GatewaySequence {
  readonly epoch: number;
  readonly route: readonly CallerLink[];
  readonly #options: GatewaySequenceOptions;
  #state: 'opening' | 'open' | 'over' = 'opening';
  /** Leading tokens that every stage of the route began with. */
  #cachedTokens = 0;
  #sampledHere = false;
  #waitingSince: number | null = null;

  constructor(options: GatewaySequenceOptions) {
    this.#options = options;
    this.epoch = options.epoch;
    this.route = options.route;
  }

  /** Since when the mesh owes an answer, a reading of `performance.now()`; null while it owes none. */
  get waitingSince(): number | null {
    return this.#waitingSince;
  }

  /** Asks every stage of the route to take it. */
  open(): void {
    const { id, epoch, route, request, gateway, prefix, tokens, drafter } = this.#options;
    const { prompt, sampling, maxTokens } = request;
    // What was drafted on an earlier route went down with it.
    drafter?.forget();
    this.#waitingSince = performance.now();
    route[0]!.send(
      message({
        case: 'open',
        value: {
          sequence: id,
          epoch,
          route: route.map(({ replica }) => replica),
          gateway,
          maxLength: prompt.length + maxTokens,
          sampling: toSamplingMessage(sampling),
          prompt: samplesByPrompt(sampling) ? [...prompt] : [],
          prefix: [...(prefix ?? [])],
          cachedBlocks: prefix?.length ?? 0,
          cacheSalt: request.cacheSalt ?? '',
          traceparent: request.trace?.traceparent ?? '',
          sampled: tokens.slice(prompt.length),
        },
      }),
    );
  }

  /** The head says that the whole route has agreed, and how many leading tokens it has cached. */
  agreed(cachedTokens: number): void {
    if (this.#state !== 'opening') return;
    this.#waitingSince = null;
    this.#state = 'open';
    this.#cachedTokens = cachedTokens;
    this.#options.request.trace?.routed(this.#options.route);
    this.#options.onAgreed(cachedTokens);
  }

  /** Asks for the next tokens: by all that are not cached at first, later by the last one and guesses of those after it. */
  step(): void {
    const { request, tokens, drafter } = this.#options;
    const left = request.prompt.length + request.maxTokens - tokens.length;
    const parent = request.trace?.asked(this.#sampledHere ? 'token' : 'prompt') ?? '';
    if (this.#sampledHere) this.#decode(drafter?.draft(left - 1) ?? [], parent);
    else this.#prefill(parent);
    this.#waitingSince = performance.now();
  }

  /** What a step sampled: tokens from `position` on, and what each stage took for them. */
  receive(position: number, tokens: readonly number[], path: readonly StageTime[]): void {
    if (this.#state !== 'open' || position !== this.#options.tokens.length || tokens.length === 0) return;
    this.#waitingSince = null;
    this.#options.request.trace?.answered(path, tokens.length);
    this.#sampledHere = true;
    this.#options.drafter?.sampled(tokens);
    this.#options.onTokens(tokens);
  }

  fail(reason: ServingError, why: 'replica_lost' | 'step_timeout' = 'replica_lost'): void {
    if (this.#state === 'over') return;
    this.#waitingSince = null;
    this.#state = 'over';
    this.#options.onFailed(reason, why);
  }

  /**
   * Frees it in every stage. With `keep` the stages keep the blocks that it began with, for others that begin
   * alike; returns the names of those blocks.
   */
  close(keep: boolean): readonly string[] {
    this.#waitingSince = null;
    const { id: sequence, epoch, route } = this.#options;
    const kept = keep ? this.#kept() : [];
    this.#state = 'over';
    route[0]!.send(message({ case: 'close', value: { sequence, epoch, prefix: [...kept] } }));
    return kept;
  }

  #prefill(parent: string): void {
    const { tokens } = this.#options;
    const rows = this.#options.prefillChunk(tokens.length - this.#cachedTokens);
    for (let start = this.#cachedTokens; start < tokens.length; start += rows) {
      const end = Math.min(tokens.length, start + rows);
      this.#send(tokens.slice(start, end), start, end === tokens.length ? 1 : 0, [], parent);
    }
  }

  #decode(draft: number[], parent: string): void {
    const { tokens } = this.#options;
    this.#send([tokens.at(-1)!, ...draft], tokens.length - 1, 1 + draft.length, draft, parent);
  }

  #send(tokens: readonly number[], position: number, logits: number, draft: number[], parent: string): void {
    const { id: sequence, epoch, route, outbox } = this.#options;
    const item = { sequence, epoch, position, count: tokens.length, logits, draft, parent };
    outbox.add(route[0]!, { item, tokens });
  }

  /**
   * The blocks that may be kept: of a prompt that is still being computed each stage knows how far it is; the last
   * token was sampled, but not fed.
   */
  #kept(): readonly string[] {
    const { prefix, tokens, request } = this.#options;
    if (prefix === null || !this.#sampledHere) return prefix ?? [];
    return prefixBlocks(tokens.slice(0, -1), { known: prefix, salt: request.cacheSalt });
  }
}
