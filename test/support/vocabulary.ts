import { createTokenTrie, type TokenSource, type TokenTrie } from '../../services/lib/grammar/token-trie.js';

const WORDS =
  'true false null name age city id value items a b c x y ab abc foo bar hello the and of 12 123 0. .5 e1 -1 2026 10 00 ' +
  'Ä ä ß é 日本 日 本 語 🙂 \u2028 http:// @example .com';
const MARKS = '{" "} ": ": ", ", }, ]} }} [{ [[ ]] [" "] {} [] "" ":" ",  , \\" \\\\ \\n \\u00 : [ <tool';

/** Bytes that are part of a character, and letters with what begins the next one: tokens as byte-level BPE makes them. */
const SPLIT = ['日本', '🙂', 'éa'].flatMap((text) => {
  const bytes = [...new TextEncoder().encode(text)];
  return bytes.map((_, length) => bytes.slice(0, length)).concat(bytes.map((_, from) => bytes.slice(from)));
});

/** Every byte, words and marks with and without a space, parts of characters; the last token is special. */
export function smallVocabulary(): TokenSource & { readonly endId: number } {
  const texts = [...WORDS.split(' '), ...MARKS.split(' ')].flatMap((word) => [
    word,
    ` ${word}`,
    `"${word}`,
    `${word}"`,
  ]);
  const words = texts.map((text) => [...new TextEncoder().encode(text)]);
  const tokens = [...Array.from({ length: 256 }, (_, byte) => [byte]), ...words, ...SPLIT, []].map((bytes) =>
    Uint8Array.from(bytes),
  );
  const endId = tokens.push(new TextEncoder().encode('<|end|>')) - 1;
  return {
    vocabularySize: tokens.length,
    endId,
    bytesOf: (id) => tokens[id] ?? new Uint8Array(),
    isSpecial: (id) => id === endId,
  };
}

export const smallTrie = (): TokenTrie =>
  createTokenTrie(smallVocabulary(), smallVocabulary().vocabularySize);

export const isAllowed = (mask: Uint32Array, id: number): boolean =>
  ((mask[id >> 5]! >> (id & 31)) & 1) === 1;
