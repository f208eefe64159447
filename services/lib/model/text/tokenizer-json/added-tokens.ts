import { z } from 'zod';
import type { Normalizer } from './normalizer.js';
import { endOfSpaces, startOfSpaces, WORD } from './steps.js';

export const addedTokenSchema = z
  .looseObject({
    id: z.int().min(0),
    content: z.string(),
    single_word: z.boolean().default(false),
    lstrip: z.boolean().default(false),
    rstrip: z.boolean().default(false),
    normalized: z.boolean().optional(),
    special: z.boolean().default(false),
  })
  .transform((token) => ({ ...token, normalized: token.normalized ?? !token.special }));
type AddedToken = z.infer<typeof addedTokenSchema>;

/**
 * Positions in a text, ascending, that no special token spans: texts of different origin meet there. With one
 * everywhere the text has no special tokens.
 */
export type Borders = readonly number[] | 'everywhere';

/** A part of a text: a token, or what the model is to tokenize. */
export type Section = { readonly start: number } & ({ readonly id: number } | { readonly text: string });

interface Node {
  readonly next: Map<number, Node>;
  token?: AddedToken;
}

/** A character of no text: stands for a border while a text is normalised. */
const BORDER = '\ufdd0';
const ENDS_WITH_WORD = new RegExp(`[${WORD}]$`, 'u');
const STARTS_WITH_WORD = new RegExp(`^[${WORD}]`, 'u');

/** The tokens that are looked for in a text before it is normalised, or after it. */
export class AddedTokens {
  /** With the ids that the tokens have, which are not always those that the file gives them. */
  readonly tokens: readonly AddedToken[];
  readonly #normalizer: Normalizer | null;
  readonly #before: Node;
  readonly #after: Node;

  /**
   * As Rust's tokenizers: a token that the vocabulary knows has its id there, the others are counted on
   * from the vocabulary's end, and a content that comes again is the token that it was.
   */
  constructor(
    file: readonly AddedToken[],
    vocabulary: ReadonlyMap<string, number>,
    normalizer: Normalizer | null,
  ) {
    const ids = new Map<string, number>();
    let free = vocabulary.size;
    this.tokens = file.flatMap((token) => {
      if (token.content === '' || ids.has(token.content)) return [];
      const id = vocabulary.get(token.content) ?? free;
      ids.set(token.content, id);
      free = Math.max(free, id + 1);
      return [{ ...token, id }];
    });
    this.#normalizer = normalizer;
    // Where two are written alike once they are normalised, the special one is meant.
    const specialFirst = this.tokens.toSorted((a, b) => Number(b.special) - Number(a.special));
    const written = (normal: Normalizer | null, token: AddedToken) =>
      [normal?.(token.content) ?? token.content, token] as const;
    this.#before = trie(
      specialFirst.filter(({ normalized }) => !normalized).map((token) => written(null, token)),
    );
    this.#after = trie(
      specialFirst.filter(({ normalized }) => normalized).map((token) => written(normalizer, token)),
    );
  }

  /** Cuts a text at its added tokens, and normalises what is between them. */
  sections(text: string, borders: Borders): Section[] {
    const within = bordersWithin(borders);
    return split(text, this.#before, 0, borders).flatMap((section) => {
      if ('id' in section) return [section];
      const { start, text } = section;
      const [normal, moved] = this.#normalise(text, within(start, start + text.length));
      return split(normal, this.#after, start, moved);
    });
  }

  /** The text, normalised, and where its borders are then: everywhere if that cannot be told. */
  #normalise(text: string, borders: Borders): [text: string, borders: Borders] {
    const normalizer = this.#normalizer;
    if (normalizer === null) return [text, borders];
    const normal = normalizer(text);
    if (borders === 'everywhere' || borders.length === 0) return [normal, borders];
    if (text.includes(BORDER)) return [normal, 'everywhere'];
    const parts = [0, ...borders].map((start, index) => text.slice(start, borders[index]));
    const marked = normalizer(parts.join(BORDER)).split(BORDER);
    if (marked.join('') !== normal) return [normal, 'everywhere'];
    let at = 0;
    return [normal, marked.slice(0, -1).map((part) => (at += part.length))];
  }
}

const isCut = (borders: Borders): boolean => borders === 'everywhere' || borders.length > 0;

/** Gives the borders within one stretch of the text after another, counted from its start. */
function bordersWithin(borders: Borders): (start: number, end: number) => Borders {
  if (borders === 'everywhere') return () => borders;
  let next = 0;
  return (start, end) => {
    while (next < borders.length && borders[next]! <= start) next += 1;
    const first = next;
    while (next < borders.length && borders[next]! < end) next += 1;
    return borders.slice(first, next).map((border) => border - start);
  };
}

function trie(tokens: readonly (readonly [content: string, token: AddedToken])[]): Node {
  const root: Node = { next: new Map() };
  for (const [content, token] of tokens) {
    let node = root;
    for (let at = 0; at < content.length; at += 1) {
      const unit = content.charCodeAt(at);
      let child = node.next.get(unit);
      if (child === undefined) node.next.set(unit, (child = { next: new Map() }));
      node = child;
    }
    if (node !== root) node.token ??= token;
  }
  return root;
}

/** The text in order: the added tokens of a trie, and what is between them. */
function split(text: string, root: Node, offset: number, borders: Borders): Section[] {
  const sections: Section[] = [];
  const within = bordersWithin(borders);
  let done = 0;
  let spacesEnd = 0;
  for (let at = 0; at < text.length && root.next.size > 0;) {
    const found = longest(text, at, root);
    if (found === undefined) {
      at += 1;
      continue;
    }
    const { token, end } = found;
    const start = at;
    at = end;
    if (token.special && isCut(within(start, end))) continue;
    if (token.single_word && !standsAlone(text, start, end)) continue;
    const from = token.lstrip ? startOfSpaces(text, start, done) : start;
    // Spaces are looked through once, though each of them may be a token that takes all after it.
    if (token.rstrip && end > spacesEnd) spacesEnd = endOfSpaces(text, end);
    const to = token.rstrip ? spacesEnd : end;
    // The spaces that the token before took may be all that this one is.
    if (from >= to) continue;
    if (from > done) sections.push({ start: offset + done, text: text.slice(done, from) });
    sections.push({ start: offset + from, id: token.id });
    done = to;
  }
  if (done < text.length) sections.push({ start: offset + done, text: text.slice(done) });
  return sections;
}

function longest(text: string, start: number, root: Node): { token: AddedToken; end: number } | undefined {
  let found: { token: AddedToken; end: number } | undefined;
  let node = root.next.get(text.charCodeAt(start));
  for (let end = start + 1; node !== undefined; end += 1) {
    if (node.token !== undefined) found = { token: node.token, end };
    node = end < text.length ? node.next.get(text.charCodeAt(end)) : undefined;
  }
  return found;
}

/** Two units are enough to hold the neighbouring character. */
function standsAlone(text: string, start: number, end: number): boolean {
  return (
    !ENDS_WITH_WORD.test(text.slice(Math.max(0, start - 2), start)) &&
    !STARTS_WITH_WORD.test(text.slice(end, end + 2))
  );
}
