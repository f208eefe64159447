import type { Ranges } from './ir.js';

/** Ranges of numbers in a row: the bytes that spell some characters. */
export type Sequence = readonly (readonly [first: number, last: number])[];

const HALVES: readonly [number, number] = [0xd800, 0xdfff];
const LAST = 0x10ffff;

/** Ranges in any order, that may overlap, as a set of code points; halves of a character are left out. */
export function rangesOf(ranges: Iterable<readonly [number, number]>): Ranges {
  const sorted = [...ranges].filter(([first, last]) => first <= last).sort((a, b) => a[0] - b[0]);
  const merged: [number, number][] = [];
  for (const [first, last] of sorted) {
    const before = merged.at(-1);
    if (before !== undefined && first <= before[1] + 1) before[1] = Math.max(before[1], last);
    else merged.push([first, last]);
  }
  return merged.flatMap(([first, last]): [number, number][] => {
    if (last < HALVES[0] || first > HALVES[1]) return [[first, last]];
    const parts: [number, number][] = [
      [first, HALVES[0] - 1],
      [HALVES[1] + 1, last],
    ];
    return parts.filter(([from, to]) => from <= to);
  });
}

export const charactersOf = (characters: string): Ranges =>
  rangesOf(
    Array.from(characters, (character): [number, number] => [
      character.codePointAt(0)!,
      character.codePointAt(0)!,
    ]),
  );

export function complementOf(ranges: Ranges): Ranges {
  const gaps: [number, number][] = [];
  let from = 0;
  for (const [first, last] of ranges) {
    gaps.push([from, first - 1]);
    from = last + 1;
  }
  return rangesOf([...gaps, [from, LAST]]);
}

export const intersectionOf = (a: Ranges, b: Ranges): Ranges =>
  complementOf(rangesOf([...complementOf(a), ...complementOf(b)]));

export const ANY: Ranges = complementOf([]);

/** Each as one symbol. */
export const asCodePoints = (ranges: Ranges): Sequence[] => ranges.map((range) => [range]);

/** The UTF-8 of the characters. */
export function asUtf8(ranges: Ranges): Sequence[] {
  const sequences: Sequence[] = [];
  const waiting = ranges.toReversed().map(([first, last]): [number, number] => [first, last]);
  for (let range = waiting.pop(); range !== undefined; range = waiting.pop()) {
    const cut = firstCut(range[0], range[1]);
    if (cut !== null) waiting.push([cut, range[1]], [range[0], cut - 1]);
    else sequences.push(zip(utf8(range[0]), utf8(range[1])));
  }
  return sequences;
}

/** Where a range has to be cut, so that the bytes of its characters are the product of ranges of bytes. */
function firstCut(first: number, last: number): number | null {
  const longer = [0x80, 0x800, 0x10000].find((start) => first < start && last >= start);
  if (longer !== undefined) return longer;
  for (let bits = 6; bits < 6 * utf8(first).length; bits += 6) {
    const low = (1 << bits) - 1;
    if ((first & ~low) === (last & ~low)) continue;
    if ((first & low) !== 0) return (first | low) + 1;
    if ((last & low) !== low) return last & ~low;
  }
  return null;
}

function utf8(code: number): number[] {
  if (code < 0x80) return [code];
  if (code < 0x800) return [0xc0 | (code >> 6), 0x80 | (code & 63)];
  if (code < 0x10000) return [0xe0 | (code >> 12), 0x80 | ((code >> 6) & 63), 0x80 | (code & 63)];
  return [0xf0 | (code >> 18), 0x80 | ((code >> 12) & 63), 0x80 | ((code >> 6) & 63), 0x80 | (code & 63)];
}

const zip = (first: readonly number[], last: readonly number[]): Sequence =>
  first.map((byte, index) => [byte, last[index]!] as const);

/** What `JSON.stringify` escapes of whole characters. */
const ESCAPED = rangesOf([
  [0, 0x1f],
  [0x22, 0x22],
  [0x5c, 0x5c],
]);
const PLAIN = complementOf(ESCAPED);

/** The characters as `JSON.stringify` spells them in a string, which is one way for each: no other text is equal. */
export function asQuoted(ranges: Ranges): Sequence[] {
  const escaped = intersectionOf(ranges, ESCAPED).flatMap(([first, last]) =>
    Array.from({ length: last - first + 1 }, (_, index) => {
      const spelled = JSON.stringify(String.fromCodePoint(first + index)).slice(1, -1);
      return Array.from(spelled, (character) => [character.charCodeAt(0), character.charCodeAt(0)] as const);
    }),
  );
  return [...escaped, ...asUtf8(intersectionOf(ranges, PLAIN))];
}
