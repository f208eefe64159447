import { ServingError } from '../lib/errors/serving-error.js';
import type { CallerLink } from '../lib/mesh/caller-link.js';
import { samplesByPrompt, toSamplingMessage } from '../lib/sampling/sampling-message.js';
import { message } from '../lib/wire/codec.js';
import type { GenerateRequest } from './backend.js';
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
  /** How long the mesh may take for a token, or to agree, ms. */
  readonly stepTimeoutMs: number;
  /** Called once, when the sequence is over. */
  onDone(): void;
}

/** One sequence on its route, from `Open` to `Close`, as the gateway drives it. */
export class GatewaySequence {
  readonly epoch: number;
  readonly route: readonly CallerLink[];
  readonly tokens: TokenStream;
  readonly #options: GatewaySequenceOptions;
  #agreed: { resolve(): void; reject(reason: ServingError): void } | null = null;
  #received = 0;
  #last = 0;
  #deadline: NodeJS.Timeout | undefined;
  #unlisten = (): void => undefined;

  constructor(options: GatewaySequenceOptions) {
    this.#options = options;
    this.epoch = options.epoch;
    this.route = options.route;
    this.tokens = new TokenStream(
      (pulled) => this.#advance(pulled),
      () => this.#end(),
    );
  }

  /** Resolves once every stage of the route has reserved its room; from then on `signal` ends the sequence. */
  async open(signal: AbortSignal): Promise<void> {
    const { id, epoch, route, request, gateway } = this.#options;
    const { prompt, sampling, maxTokens } = request;
    const abort = (): void =>
      this.fail(new ServingError('stream_broken', 'the request was aborted', { cause: signal.reason }));
    signal.addEventListener('abort', abort, { once: true });
    this.#unlisten = () => signal.removeEventListener('abort', abort);
    const agreement = new Promise<void>((resolve, reject) => (this.#agreed = { resolve, reject }));
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
        },
      }),
    );
    await agreement;
  }

  /** The head says that the whole route has agreed. */
  agreed(): void {
    if (this.#agreed === null) return;
    clearTimeout(this.#deadline);
    this.#agreed.resolve();
    this.#agreed = null;
  }

  receive(position: number, token: number): void {
    if (position !== this.#nextPosition) return;
    clearTimeout(this.#deadline);
    this.#last = token;
    this.#received++;
    this.tokens.push(token);
  }

  fail(reason: ServingError): void {
    this.#agreed?.reject(reason);
    this.#agreed = null;
    this.tokens.fail(reason);
  }

  get #nextPosition(): number {
    return this.#options.request.prompt.length + this.#received;
  }

  /** Asks for the next token: by the prompt at first, later by the last token. */
  #advance(pulled: number): boolean {
    const { request } = this.#options;
    if (pulled === request.maxTokens) return false;
    if (pulled === 0) this.#prefill(request.prompt);
    else this.#step([this.#last], this.#nextPosition - 1, true);
    this.#expect();
    return true;
  }

  #prefill(prompt: readonly number[]): void {
    const { prefillChunk } = this.#options;
    for (let start = 0; start < prompt.length; start += prefillChunk) {
      const end = Math.min(prompt.length, start + prefillChunk);
      this.#step(prompt.slice(start, end), start, end === prompt.length);
    }
  }

  #step(tokens: readonly number[], position: number, wantToken: boolean): void {
    const { id: sequence, epoch, route, outbox } = this.#options;
    outbox.add(route[0]!, { item: { sequence, epoch, position, count: tokens.length, wantToken }, tokens });
  }

  /** From now on the mesh owes us an answer within the time of a step. */
  #expect(): void {
    const { stepTimeoutMs } = this.#options;
    const late = (): void =>
      this.fail(new ServingError('stream_broken', `no answer within ${stepTimeoutMs} ms`));
    clearTimeout(this.#deadline);
    this.#deadline = setTimeout(late, stepTimeoutMs).unref();
  }

  #end(): void {
    clearTimeout(this.#deadline);
    this.#unlisten();
    const { id: sequence, epoch, route } = this.#options;
    route[0]!.send(message({ case: 'close', value: { sequence, epoch } }));
    this.#options.onDone();
  }
}
