import { MAX_DRAFT } from '../../lib/model/step.js';
import { Acceptance } from './acceptance.js';
import { untilEnd, type AnswerMemory, type Source } from './answer-memory.js';
import { DraftIndex, LONGEST_MATCH, type Match } from './draft-index.js';

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
  readonly match: Match;
  /** Tokens that are worth trying. */
  readonly length: number;
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
  #tried: (Guess & { readonly drafted: number }) | null = null;

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
    const guess = this.#best();
    if (guess === null) return [];
    const most = Math.min(guess.length, room, MAX_DRAFT);
    const draft = untilEnd(guess.source.index.following(guess.match, most));
    this.#tried = { ...guess, drafted: draft.length };
    this.#speculation.draftTokens.inc(draft.length);
    return draft;
  }

  /** What a step sampled: the accepted tokens of the draft, if there was one, and one more. */
  sampled(tokens: readonly number[]): void {
    for (const token of tokens) this.#own.add(token);
    if (this.#tried === null) return;
    const { source, match, drafted } = this.#tried;
    const accepted = tokens.length - 1;
    source.acceptance.observe(match.length, drafted, accepted);
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

  /** That of which most is expected; of the sequence itself where it is the same. */
  #best(): Guess | null {
    let best: Guess | null = null;
    for (const source of this.#sources) {
      const match = source.index.find(this.#own);
      if (match === null) continue;
      const length = source.acceptance.draftLength(match.length, this.#running());
      if (best === null || length > best.length) best = { source, match, length };
    }
    return best;
  }
}
