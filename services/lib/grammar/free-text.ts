import { charactersOf, complementOf, intersectionOf } from './characters.js';
import { alt, chars, EMPTY, ref, seq, text, type Node, type Rules } from './ir.js';

/** A text that changes what comes next. */
interface Trigger {
  readonly begin: string;
  /** What follows it; for calls that may come again, this ends with a ref to the whole. */
  readonly then: Node;
}

/**
 * Free text up to the first of the triggers and what that asks for; or, with `mayEnd`, no trigger at all. So a model may
 * talk as it likes, and what it begins in a form it has to end in it. The states are those of Aho and Corasick (1975):
 * how much of a trigger the text ends with. Triggers are not empty, and none is within another. The first character that is
 * no space is not `notFirst`.
 */
export function untilTrigger(
  rules: Rules,
  triggers: readonly Trigger[],
  { mayEnd, notFirst = '' }: { readonly mayEnd: boolean; readonly notFirst?: string },
): Node {
  const begins = triggers.map(({ begin }) => Array.from(begin));
  const prefixes = new Set([
    '',
    ...begins.flatMap((begin) => begin.map((_, length) => begin.slice(0, length).join(''))),
  ]);
  const letters = [...new Set(begins.flat())];
  const others = complementOf(charactersOf(letters.join('')));
  const base = rules.fresh();
  const name = (prefix: string): string => `${base} ${prefix}`;

  const end = mayEnd ? [EMPTY] : [];
  const onward = (prefix: string, letter: string): Node => {
    const read = prefix + letter;
    const trigger = triggers.find(({ begin }) => read.endsWith(begin));
    return seq(text(letter), trigger?.then ?? ref(name(longestEnd(read, prefixes))));
  };

  for (const prefix of prefixes) {
    const ways = letters.map((letter) => onward(prefix, letter));
    rules.define(name(prefix), alt(...ways, seq(chars(others), ref(name(''))), ...end));
  }
  if (notFirst === '') return ref(name(''));
  const start = rules.fresh();
  const ways = letters.filter((letter) => !notFirst.includes(letter)).map((letter) => onward('', letter));
  const plain = intersectionOf(others, complementOf(charactersOf(SPACES + notFirst)));
  const spaces = seq(chars(charactersOf(SPACES)), ref(start));
  return rules.define(start, alt(...ways, seq(chars(plain), ref(name(''))), spaces, ...end));
}

const SPACES = ' \t\r\n';

/** The longest end of a text that a trigger begins with. */
function longestEnd(read: string, prefixes: ReadonlySet<string>): string {
  const characters = Array.from(read);
  const from = characters.findIndex((_, index) => prefixes.has(characters.slice(index).join('')));
  return from < 0 ? '' : characters.slice(from).join('');
}
