import {
  compileConstraint,
  type CompiledConstraint,
  type Matcher,
} from '../../services/lib/grammar/matcher.js';
import { sourceOfForm, type Form } from '../../services/lib/grammar/source.js';
import { bytesOfToken, type TokenTrie } from '../../services/lib/grammar/token-trie.js';
import { isAllowed, smallTrie } from './vocabulary.js';

const trie = smallTrie();

export const compiled = (form: Form, over: TokenTrie = trie): CompiledConstraint =>
  compileConstraint(sourceOfForm(form), over);

/** Whether the text is a whole one of the form, read a byte at a time. */
export function takes(constraint: CompiledConstraint, text: string): boolean {
  const matcher = constraint.matcher();
  return [...new TextEncoder().encode(text)].every((byte) => matcher.accept(byte)) && matcher.complete;
}

export const takesSchema = (schema: unknown, text: string): boolean =>
  takes(compiled({ kind: 'json_schema', schema }), text);

/** Numbers in [0, 1) of a seed. */
export function randomOf(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state * 1_103_515_245 + 12_345) % 2 ** 31;
    return state / 2 ** 31;
  };
}

export interface Walk {
  readonly text: string;
  /** It came to an end by itself. */
  readonly ended: boolean;
}

/** A walk over masks, as a model would take that likes tokens at random; it ends as soon as it may when `patience` tokens are there. */
export function walk(
  matcher: Matcher,
  random: () => number,
  { patience = 40, most = 4_000, over = trie } = {},
): Walk {
  const ids: number[] = [];
  while (!matcher.ended && ids.length < most) {
    if (matcher.complete && (ids.length >= patience || random() < 0.2)) break;
    const mask = matcher.mask();
    const allowed: number[] = [];
    for (let id = 0; id < over.rows; id++) if (isAllowed(mask, id)) allowed.push(id);
    const id = choose(allowed, over, ids.length >= patience, random);
    if (!matcher.accept(id)) throw new Error(`the mask allows ${id}, and it is not accepted`);
    ids.push(id);
  }
  const bytes = ids.flatMap((id) => [...bytesOfToken(over, id)]);
  return {
    text: new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(Uint8Array.from(bytes)),
    ended: matcher.complete,
  };
}

/** Whoever is out of patience takes what closes something, where that is allowed. */
function choose(
  allowed: readonly number[],
  trie: TokenTrie,
  impatient: boolean,
  random: () => number,
): number {
  const closing = impatient
    ? allowed.filter((id) => CLOSING.has(String.fromCharCode(...bytesOfToken(trie, id))))
    : [];
  const from = closing.length > 0 ? closing : allowed;
  return from[Math.floor(random() * from.length)]!;
}

const CLOSING = new Set(['"', '"}', '}', ']', ']}', '}}', '"]', ']]', '""', '[]', '{}']);
