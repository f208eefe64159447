import { ServingError } from '../lib/errors/serving-error.js';
import type { CallerLink } from '../lib/mesh/caller-link.js';
import { samplesByPrompt, toSamplingMessage } from '../lib/sampling/sampling-message.js';
import { message } from '../lib/wire/codec.js';
import type { StageTime } from '../lib/wire/gen/stage_pb.js';
import { prefixBlocks } from '../lib/wire/prefix-blocks.js';
import type { GenerateRequest } from './backend.js';
import type { Drafter } from './drafter.js';
import type { Outbox } from './outbox.js';
import { TokenStream } from './token-stream.js';

export interface GatewaySequenceOptions {
  readonly id: string;
  readonly epoch: number;
  /** A link to one replica of each stage, stage 0 first. */
  readonly route: readonly CallerLink[];
  readonly request: GenerateRequest;
  /** Our own replica id, to which the head sends the tokens. */
  readonly gateway: string;
  readonly outbox: Outbox;
  readonly prefillChunk: number;
  /** Guesses tokens that the mesh verifies together with the next one; null where it is not to be tried. */
  readonly drafter: Drafter | null;
  /** How long the mesh may take for a token, or to agree, ms. */
  readonly stepTimeoutMs: number;
  /** Names of the blocks that the prompt begins with; null where none are to be kept or reused. */
  readonly prefix: readonly string[] | null;
  /** Called once, when the sequence is over, with the names of the blocks that the route was told to keep. */
  onDone(kept: readonly string[]): void;
}

/** One sequence on its route, from `Open` to `Close`, as the gateway drives it. */
export class GatewaySequence {
  readonly epoch: number;
  readonly route: readonly CallerLink[];
  readonly tokens: TokenStream;
  readonly #options: GatewaySequenceOptions;
  /** Tokens received. */
  readonly #sampled: number[] = [];
  #agreed: { resolve(cachedTokens: number): void; reject(reason: ServingError): void } | null = null;
  #cachedTokens = 0;
  #failed = false;
  #deadline: NodeJS.Timeout | undefined;
  #unlisten = (): void => undefined;

  constructor(options: GatewaySequenceOptions) {
    this.#options = options;
    this.epoch = options.epoch;
    this.route = options.route;
    this.tokens = new TokenStream(
      () => this.#advance(),
      () => this.#end(),
    );
  }

  /**
   * Resolves once every stage of the route has reserved its room, with the number of the prompt's leading tokens
   * that all have cached; from then on `signal` ends the sequence.
   */
  async open(signal: AbortSignal): Promise<number> {
    const { id, epoch, route, request, gateway, prefix } = this.#options;
    const { prompt, sampling, maxTokens } = request;
    const abort = (): void =>
      this.fail(new ServingError('stream_broken', 'the request was aborted', { cause: signal.reason }));
    signal.addEventListener('abort', abort, { once: true });
    this.#unlisten = () => signal.removeEventListener('abort', abort);
    const agreement = new Promise<number>((resolve, reject) => (this.#agreed = { resolve, reject }));
    this.#expect();
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
          traceparent: request.trace?.traceparent ?? '',
        },
      }),
    );
    this.#cachedTokens = await agreement;
    request.trace?.routed(route);
    return this.#cachedTokens;
  }

  /** The head says that the whole route has agreed, and how much of the prompt it has cached. */
  agreed(cachedTokens: number): void {
    if (this.#agreed === null) return;
    clearTimeout(this.#deadline);
    this.#agreed.resolve(cachedTokens);
    this.#agreed = null;
  }

  /** What a step sampled: tokens from `position` on, and what each stage took for them. */
  receive(position: number, tokens: readonly number[], path: readonly StageTime[]): void {
    if (position !== this.#nextPosition || tokens.length === 0) return;
    clearTimeout(this.#deadline);
    this.#options.request.trace?.answered(path, tokens.length);
    this.#sampled.push(...tokens);
    this.#options.drafter?.sampled(tokens);
    this.tokens.push(tokens);
  }

  fail(reason: ServingError): void {
    this.#agreed?.reject(reason);
    this.#agreed = null;
    this.#failed = true;
    this.tokens.fail(reason);
  }

  get #nextPosition(): number {
    return this.#options.request.prompt.length + this.#sampled.length;
  }

  /** Asks for the next tokens: by the prompt at first, later by the last token and guesses of those after it. */
  #advance(): boolean {
    const { request, drafter } = this.#options;
    const left = request.maxTokens - this.#sampled.length;
    if (left === 0) return false;
    const parent = request.trace?.asked() ?? '';
    if (this.#sampled.length === 0) this.#prefill(request.prompt, parent);
    else this.#decode(drafter?.draft(left - 1) ?? [], parent);
    this.#expect();
    return true;
  }

  #prefill(prompt: readonly number[], parent: string): void {
    const { prefillChunk } = this.#options;
    for (let start = this.#cachedTokens; start < prompt.length; start += prefillChunk) {
      const end = Math.min(prompt.length, start + prefillChunk);
      this.#step(prompt.slice(start, end), start, end === prompt.length ? 1 : 0, [], parent);
    }
  }

  #decode(draft: number[], parent: string): void {
    this.#step([this.#sampled.at(-1)!, ...draft], this.#nextPosition - 1, 1 + draft.length, draft, parent);
  }

  #step(tokens: readonly number[], position: number, logits: number, draft: number[], parent: string): void {
    const { id: sequence, epoch, route, outbox } = this.#options;
    const item = { sequence, epoch, position, count: tokens.length, logits, draft, parent };
    outbox.add(route[0]!, { item, tokens });
  }

  /** From now on the mesh owes us an answer within the time of a step. */
  #expect(): void {
    const { stepTimeoutMs } = this.#options;
    const late = (): void =>
      this.fail(new ServingError('stream_broken', `no answer within ${stepTimeoutMs} ms`));
    clearTimeout(this.#deadline);
    this.#deadline = setTimeout(late, stepTimeoutMs).unref();
  }

  /** The blocks that every stage has computed for certain: the last token was sampled, but not fed. */
  #kept(): string[] {
    const { prefix, request } = this.#options;
    if (prefix === null || this.#failed || this.#sampled.length === 0) return [];
    return prefixBlocks([...request.prompt, ...this.#sampled.slice(0, -1)], prefix);
  }

  #end(): void {
    clearTimeout(this.#deadline);
    this.#unlisten();
    const { id: sequence, epoch, route } = this.#options;
    const kept = this.#kept();
    route[0]!.send(message({ case: 'close', value: { sequence, epoch, prefix: kept } }));
    this.#options.onDone(kept);
  }
}
