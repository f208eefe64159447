import type { ServingError } from '../../lib/errors/serving-error.js';
import type { CallerLink } from '../../lib/mesh/caller-link.js';
import { samplesByPrompt, toSamplingMessage } from '../../lib/sampling/params.js';
import type { StepTokens } from '../../lib/sampling/step-tokens.js';
import { message } from '../../lib/wire/codec.js';
import { packFrames, type ItemFields, type Rows } from '../../lib/wire/frames.js';
import type { StageTime } from '../../lib/wire/gen/stage_pb.js';
import { prefixBlocks } from '../../lib/model/prefix-blocks.js';
import type { GenerateRequest } from './backend.js';
import type { Drafter } from '../speculation/drafter.js';
import type { PromptScores } from './prompt-scores.js';

export interface LegOptions {
  readonly id: string;
  readonly epoch: number;
  /** A link to one replica of each stage, stage 0 first. */
  readonly route: readonly CallerLink[];
  readonly request: GenerateRequest;
  /** The prompt and all that has been sampled, on earlier legs too. Its owner adds what `step` brings. */
  readonly tokens: readonly number[];
  /** Our own replica id, to which the head sends the tokens. */
  readonly gateway: string;
  readonly outbox: Outbox;
  /** Rows of a chunk of a prompt of which so many are to be computed, as things are. */
  prefillChunk(rows: number): number;
  /** Guesses tokens that the mesh verifies together with the next one; null where it is not to be tried. */
  readonly drafter: Drafter | null;
  /** What is known of the prompt's own tokens; null where nobody wants to know. Its owner shows what `step` brings. */
  readonly scores: PromptScores | null;
  /** Names of the blocks that `tokens` begin with now; null where none are to be kept or reused. */
  readonly prefix: readonly string[] | null;
}

/** A sequence on one route, from `Open` to `Close`: asks, and waits for what the mesh answers. */
export class Leg {
  readonly epoch: number;
  readonly route: readonly CallerLink[];
  readonly #options: LegOptions;
  #openSince: number | null = null;
  #cachedTokens = 0;
  #sampledHere = false;
  #closed = false;
  /** What the mesh owes; the agreement of the route, or a step's tokens. */
  #owed: { readonly since: number; resolve(step: StepTokens | null): void } | null = null;

  constructor(options: LegOptions) {
    this.#options = options;
    this.epoch = options.epoch;
    this.route = options.route;
  }

  /** Since when the mesh owes an answer, a reading of `performance.now()`; null while it owes none. */
  get waitingSince(): number | null {
    return this.#owed?.since ?? null;
  }

  /** For how long the whole route has agreed, ms; null while it has not. */
  get openMs(): number | null {
    return this.#openSince === null ? null : performance.now() - this.#openSince;
  }

  /** For how long it has been open without a token, ms: what its prompt has cost. */
  get promptMs(): number {
    return this.#sampledHere ? 0 : (this.openMs ?? 0);
  }

  /** Leading tokens that every stage of the route began with; 0 until it has agreed. */
  get cachedTokens(): number {
    return this.#cachedTokens;
  }

  /** Those of its route that are to be avoided; the others hold what they have computed, and are the best to go on with. */
  atFault({ replica }: ServingError): readonly CallerLink[] {
    const guilty = this.route.filter((link) => link.replica === replica);
    return guilty.length > 0 ? guilty : this.route;
  }

  /** Asks every stage of the route to take it. False when it was closed before all had agreed. */
  async open(): Promise<boolean> {
    if (this.#closed) return false;
    const { id, epoch, route, request, gateway, prefix, tokens, drafter, scores } = this.#options;
    const scoring = scores?.complete === false;
    const { prompt, sampling, maxTokens } = request;
    // What was drafted on an earlier leg went down with it.
    drafter?.forget();
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
          prompt: scoring || samplesByPrompt(sampling) ? [...prompt] : [],
          ...(scoring && { score: scores.likeliest }),
          prefix: [...(prefix ?? [])],
          cachedBlocks: prefix?.length ?? 0,
          cacheSalt: request.cacheSalt ?? '',
          traceparent: request.trace?.traceparent ?? '',
          sampled: tokens.slice(prompt.length),
        },
      }),
    );
    return (await this.#answer()) !== null;
  }

  /**
   * Asks for the next tokens: by all that are not cached at first, later by the last one and guesses of those after it.
   * Null when it is closed before they come.
   */
  step(): Promise<StepTokens | null> {
    if (this.#closed) return Promise.resolve(null);
    const { request, tokens, drafter } = this.#options;
    const left = request.prompt.length + request.maxTokens - tokens.length;
    const parent = request.trace?.asked(this.#sampledHere ? 'token' : 'prompt') ?? '';
    if (this.#sampledHere) this.#decode(drafter?.draft(left - 1) ?? [], parent);
    else this.#prefill(parent);
    return this.#answer();
  }

  /** The head says that the whole route has agreed, and how many leading tokens it has cached. */
  agreed(cachedTokens: number): void {
    if (this.#closed || this.#openSince !== null) return;
    this.#openSince = performance.now();
    this.#cachedTokens = cachedTokens;
    this.#options.request.trace?.routed(this.route);
    this.#settle({ tokens: [] });
  }

  /** What a step sampled: tokens from `position` on, and what each stage took for them. What was not asked for is dropped. */
  receive(position: number, step: StepTokens, path: readonly StageTime[]): void {
    const { tokens, scored } = step;
    if (this.#openSince === null || this.#owed === null) return;
    // Those of a prompt's chunks come before its first token.
    if (scored !== undefined) this.#options.scores?.add(scored);
    if (position !== this.#options.tokens.length || tokens.length === 0) return;
    this.#options.request.trace?.answered(path, tokens.length);
    this.#sampledHere = true;
    this.#options.drafter?.sampled(tokens);
    this.#settle(step);
  }

  /**
   * Frees it in every stage. With `keep` the stages keep the blocks that it began with, for others that begin
   * alike; returns the names of those blocks.
   */
  close(keep: boolean): readonly string[] {
    const { id: sequence, epoch, route } = this.#options;
    const kept = keep ? this.#kept() : [];
    this.#closed = true;
    route[0]!.send(message({ case: 'close', value: { sequence, epoch, prefix: [...kept] } }));
    this.#settle(null);
    return kept;
  }

  #answer(): Promise<StepTokens | null> {
    return new Promise((resolve) => (this.#owed = { since: performance.now(), resolve }));
  }

  #settle(step: StepTokens | null): void {
    const owed = this.#owed;
    this.#owed = null;
    owed?.resolve(step);
  }

  #prefill(parent: string): void {
    const { tokens, scores } = this.#options;
    const rows = this.#options.prefillChunk(tokens.length - this.#cachedTokens);
    for (let start = this.#cachedTokens; start < tokens.length; start += rows) {
      const end = Math.min(tokens.length, start + rows);
      const item = { position: start, logits: end === tokens.length ? 1 : 0, draft: [], parent };
      this.#send(tokens.slice(start, end), { ...item, score: scores?.rowsToScore(start, end) ?? 0 });
    }
  }

  #decode(draft: number[], parent: string): void {
    const { tokens } = this.#options;
    const item = { position: tokens.length - 1, logits: 1 + draft.length, draft, parent };
    this.#send([tokens.at(-1)!, ...draft], item);
  }

  #send(tokens: readonly number[], fields: Omit<ItemFields, 'sequence' | 'epoch' | 'count'>): void {
    const { id: sequence, epoch, route, outbox } = this.#options;
    outbox.add(route[0]!, { item: { sequence, epoch, count: tokens.length, ...fields }, tokens });
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

/**
 * Collects what leaves for stage 0 during one turn of the event loop, so that the next steps of all sequences
 * whose tokens arrived together leave together, and are computed together.
 */
export class Outbox {
  readonly #rows = new Map<CallerLink, Rows[]>();

  /** Rows for the stage 0 at the other end of `link`. They leave after this turn, in the order in which they were added. */
  add(link: CallerLink, rows: Rows): void {
    if (this.#rows.size === 0) setImmediate(() => this.#flush());
    const waiting = this.#rows.get(link);
    if (waiting === undefined) this.#rows.set(link, [rows]);
    else waiting.push(rows);
  }

  #flush(): void {
    for (const [link, rows] of this.#rows) for (const frame of packFrames(rows)) link.sendFrame(frame);
    this.#rows.clear();
  }
}

/** How much more a chunk may have, so that no short one is left: that would cost nearly as much, and comes last. */
const STRETCH = 9 / 8;

/**
 * Rows of a chunk, at most `most`, of a prompt of which `rows` are to be computed: even ones of about `alone` while fewer
 * sequences run than there are stages, so that the stages work on it at the same time; several prompts keep all stages
 * busy anyway.
 */
export function chunkRows(
  { most, alone }: { most: number; alone: number },
  { rows, running, stages }: { rows: number; running: number; stages: number },
): number {
  if (running >= stages) return most;
  const chunks = Math.ceil(rows / (alone * STRETCH));
  return Math.min(most, Math.ceil(rows / chunks));
}
