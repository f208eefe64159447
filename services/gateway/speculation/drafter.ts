import { MAX_DRAFT } from '../../lib/model/step.js';
import { Acceptance } from './acceptance.js';
import { untilEnd, type AnswerMemory, type Source } from './answer-memory.js';
import { DraftIndex, LONGEST_MATCH } from './draft-index.js';

/** What a counter does here, whatever its labels. */
export interface Count {
  inc(value?: number): void;
}

/** What all drafters have in common. */
export interface Speculation {
  readonly draftTokens: Count;
  readonly acceptedTokens: Count;
  /** What was answered lately; left out: each sequence is guessed from itself alone. */
  readonly answers?: AnswerMemory;
}

interface DrafterOptions {
  readonly prompt: readonly number[];
  /** Of the output, at most. */
  readonly maxTokens: number;
  /** Who has the same may share answers. */
  readonly cacheSalt?: string | undefined;
}

interface Guess {
  readonly source: Source;
  /** Tokens that agreed. */
  readonly match: number;
  /** Tokens that would be worth trying, if there were room for so many. */
  readonly expected: number;
  readonly tokens: readonly number[];
}

/**
 * Guesses the next tokens of one sequence from what it has so far, and from what was answered lately to those who share its
 * salt, as many as such guesses have been worth.
 */
export class Drafter {
  readonly #options: DrafterOptions;
  readonly #own: DraftIndex;
  readonly #sources: readonly Source[];
  readonly #speculation: Speculation;
  readonly #running: () => number;
  /** What is being tried. */
  #tried: Guess | null = null;

  /** `running` says how many sequences share the steps now. */
  constructor(options: DrafterOptions, speculation: Speculation, running: () => number) {
    const { prompt, maxTokens, cacheSalt = '' } = options;
    this.#options = options;
    this.#own = new DraftIndex(prompt.length + maxTokens);
    for (const token of prompt) this.#own.add(token);
    const answers = speculation.answers?.of(cacheSalt) ?? null;
    const own = { index: this.#own, acceptance: new Acceptance() };
    this.#sources = answers === null ? [own] : [own, answers];
    this.#speculation = speculation;
    this.#running = running;
  }

  /** The tokens to try next, at most `room`. */
  draft(room: number): number[] {
    if (room <= 0) return [];
    const guesses = this.#sources.flatMap((source) => this.#guess(source, Math.min(room, MAX_DRAFT)) ?? []);
    // That of which most is expected; of the sequence itself where it is the same.
    const best = guesses.toSorted((one, other) => other.expected - one.expected)[0];
    if (best === undefined) return [];
    // Where nothing is tried, none of them was passed over for another.
    const passed = best.tokens.length > 0 ? [best] : guesses;
    for (const { source, match, tokens } of passed) source.acceptance.lookedUp(match, tokens.length);
    this.#tried = best.tokens.length > 0 ? best : null;
    this.#speculation.draftTokens.inc(best.tokens.length);
    return [...best.tokens];
  }

  /** What a step sampled: the accepted tokens of the draft, if there was one, and one more. */
  sampled(tokens: readonly number[]): void {
    for (const token of tokens) this.#own.add(token);
    if (this.#tried === null) return;
    const { source, match, tokens: drafted } = this.#tried;
    const accepted = tokens.length - 1;
    source.acceptance.observe(match, drafted.length, accepted);
    this.#speculation.acceptedTokens.inc(accepted);
    this.#tried = null;
  }

  /** The step that carried the draft is lost; it tells nothing about the draft. */
  forget(): void {
    this.#tried = null;
  }

  /** The sequence is over: what it answered, if anything, may be guessed again, and how that began. */
  end(): void {
    const { prompt, cacheSalt = '' } = this.#options;
    if (this.#own.length === prompt.length) return;
    this.#speculation.answers?.learn(cacheSalt, this.#own.from(Math.max(0, prompt.length - LONGEST_MATCH)));
  }

  /** What a source expects, `most` tokens or less; null where it knows no place that is like the end of the text. */
  #guess(source: Source, most: number): Guess | null {
    const { index, acceptance } = source;
    const match = index.find(this.#own);
    if (match === null) return null;
    const worth = Math.max(0, acceptance.draftLength(match.length, this.#running()));
    const length = Math.min(worth, most);
    const tokens = untilEnd(index.following(match, length));
    // An answer that went no further is worth no more than the rest of it.
    const expected = tokens.length < length ? tokens.length : worth;
    return { source, match: match.length, expected, tokens };
  }
}
