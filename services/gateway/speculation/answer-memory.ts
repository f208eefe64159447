import { Acceptance } from './acceptance.js';
import { DraftIndex } from './draft-index.js';

/** Stands between two answers; no token has such an id. */
const END = -1;

/** Those who asked longest ago are forgotten: above so many, */
const MAX_SALTS = 256;
/** and above room for so many tokens in all; 16 bytes each. */
const MAX_ROOM = 1 << 20;
/** Room for so many of each salt, with the beginnings of answers: who asks once with a salt of its own takes up little. */
const [FIRST_ROOM, MOST_ROOM] = [1 << 12, 1 << 16];
/** How many times larger the room of one salt becomes where it is full. */
const GROWTH = 4;
/** Places are kept as 32-bit integers: before they run out, a memory begins anew. */
const MAX_PLACES = 1 << 30;

/** Where guesses come from, and what they have been worth. Of a memory: the answers of one salt, one after the other. */
export interface Source {
  readonly index: DraftIndex;
  readonly acceptance: Acceptance;
}

/** The same, as its owner has it: those who guess from it find the larger index in its place. */
interface Memory extends Source {
  index: DraftIndex;
}

/**
 * What was answered lately, for answers that will go the same way: the same question again, a document that is changed a little,
 * an agent's next turn. Like suffix decoding (Oliaro et al., 2024), whose tree of earlier outputs is here a ring of tokens with the
 * look-up that a sequence's own text has. Nobody is shown it: the mesh verifies every guess. But that a guess was right can be told
 * by the time it takes, so each cache salt has its own. At most some 16 MB, but for what sequences that run still guess from.
 */
export class AnswerMemory {
  /** By salt, the latest last. */
  readonly #answers = new Map<string, Memory>();

  /** What was answered to those with this salt; null where nothing was, of late. */
  of(salt: string): Source | null {
    return this.#answers.get(salt) ?? null;
  }

  /** The end of a prompt, as far as it is looked up by, and what followed. */
  learn(salt: string, tokens: readonly number[]): void {
    const known = this.#answers.get(salt);
    const answers = known ?? { index: new DraftIndex(FIRST_ROOM), acceptance: new Acceptance() };
    answers.index = withRoomFor(tokens.length + 1, answers.index);
    for (const token of tokens) answers.index.add(token);
    answers.index.add(END);
    this.#answers.delete(salt);
    this.#answers.set(salt, answers);
    this.#forget();
  }

  #forget(): void {
    let room = 0;
    for (const { index } of this.#answers.values()) room += index.capacity;
    for (const [oldest, { index }] of this.#answers) {
      if (this.#answers.size <= MAX_SALTS && room <= MAX_ROOM) break;
      room -= index.capacity;
      this.#answers.delete(oldest);
    }
  }
}

/** The same tokens, as far as they are kept, where there is room for more, if there may be; places count anew. */
function withRoomFor(more: number, index: DraftIndex): DraftIndex {
  const isSmall = index.capacity < MOST_ROOM && index.length + more > index.capacity;
  if (!isSmall && index.length <= MAX_PLACES) return index;
  let capacity = index.capacity;
  while (capacity < MOST_ROOM && index.length + more > capacity) capacity *= GROWTH;
  const larger = new DraftIndex(capacity);
  for (const token of index.from(0)) larger.add(token);
  return larger;
}

/** What followed in the same answer. */
export function untilEnd(tokens: readonly number[]): number[] {
  const end = tokens.indexOf(END);
  return tokens.slice(0, end === -1 ? tokens.length : end);
}
