import { Acceptance } from './acceptance.js';
import { DraftIndex } from './draft-index.js';

/** Stands between two answers; no token has such an id. */
const END = -1;

/** Those who asked longest ago are forgotten. */
const MAX_SALTS = 16;
/** Of each salt, with the beginnings of answers; 12 bytes each. */
const TOKENS = 1 << 16;
/** Places are kept as 32-bit integers: before they run out, a memory begins anew. */
const MAX_PLACES = 1 << 30;

/** Where guesses come from, and what they have been worth. Of a memory: the answers of one salt, one after the other. */
export interface Source {
  readonly index: DraftIndex;
  readonly acceptance: Acceptance;
}

/**
 * What was answered lately, for answers that will go the same way: the same question again, a document that is changed a little,
 * an agent's next turn. Like suffix decoding (Oliaro et al., 2024), whose tree of earlier outputs is here a ring of tokens with the
 * look-up that a sequence's own text has. Nobody is shown it: the mesh verifies every guess. But that a guess was right can be told
 * by the time it takes, so each cache salt has its own. At most some 16 MB.
 */
export class AnswerMemory {
  /** By salt, the latest last. */
  readonly #answers = new Map<string, Source>();

  /** What was answered to those with this salt; null where nothing was, of late. */
  of(salt: string): Source | null {
    return this.#answers.get(salt) ?? null;
  }

  /** The end of a prompt, as far as it is looked up by, and what followed. */
  learn(salt: string, tokens: readonly number[]): void {
    const known = this.#answers.get(salt);
    const answers =
      known === undefined || known.index.length > MAX_PLACES
        ? { index: new DraftIndex(TOKENS), acceptance: new Acceptance() }
        : known;
    for (const token of tokens) answers.index.add(token);
    answers.index.add(END);
    this.#answers.delete(salt);
    this.#answers.set(salt, answers);
    for (const oldest of this.#answers.keys()) {
      if (this.#answers.size <= MAX_SALTS) break;
      this.#answers.delete(oldest);
    }
  }
}

/** What followed in the same answer. */
export function untilEnd(tokens: readonly number[]): number[] {
  const end = tokens.indexOf(END);
  return tokens.slice(0, end === -1 ? tokens.length : end);
}
