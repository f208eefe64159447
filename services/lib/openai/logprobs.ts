import type { Tokenizer } from '../model/text/tokenizer.js';
import type { TokenLogprob } from '../sampling/step-tokens.js';

/** A token as a client reads it. */
interface NamedToken {
  readonly id: number;
  readonly text: string;
  readonly bytes: Uint8Array;
  readonly logprob: number;
  /** 1 is the likeliest. */
  readonly rank: number;
}

/** A token of a prompt or an answer, and what the model thought of it: null of a prompt's first, which nothing comes before. */
export interface RatedToken extends Pick<NamedToken, 'id' | 'text' | 'bytes'> {
  /** Where its text begins in the choice's, characters. */
  readonly offset: number;
  readonly rating: Pick<NamedToken, 'logprob' | 'rank'> | null;
  /** The likeliest ones in its place, in order, as many as were asked for. */
  readonly top: readonly NamedToken[];
}

/** Of the likeliest tokens that the head has told of, so many are told the client. */
export function ratedToken(
  tokenizer: Tokenizer,
  id: number,
  { offset, logprob: told, likeliest }: { offset: number; logprob: TokenLogprob | null; likeliest: number },
): RatedToken {
  const bytes = tokenizer.bytesOf(id);
  const own = { id, bytes, text: textOf(bytes) };
  if (told === null) return { ...own, offset, rating: null, top: [] };
  const taken = new Set([own.text]);
  const top = told.ids.slice(0, likeliest).map((other, index): NamedToken => {
    const rating = { logprob: told.values[index]!, rank: index + 1 };
    if (other === id) return { ...own, ...rating };
    const bytes = tokenizer.bytesOf(other);
    const text = textOf(bytes);
    // Several tokens may have one text: these are told apart by their ids, as vLLM writes them.
    const isTaken = taken.has(text);
    taken.add(text);
    return { id: other, bytes, text: isTaken ? `token_id:${other}` : text, ...rating };
  });
  return { ...own, offset, rating: { logprob: told.logprob, rank: told.rank }, top };
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** Its text; of a token that is part of a character, its bytes, as OpenAI writes them. */
function textOf(bytes: Uint8Array): string {
  try {
    return utf8.decode(bytes);
  } catch {
    return `bytes:${[...bytes].map((byte) => `\\x${byte.toString(16).padStart(2, '0')}`).join('')}`;
  }
}

/** `logprobs` of a chat's choice. */
export function chatLogprobs(tokens: readonly RatedToken[]): object {
  const entry = ({ text, bytes }: Pick<NamedToken, 'text' | 'bytes'>, logprob: number | null): object => ({
    token: text,
    logprob,
    bytes: [...bytes],
  });
  return {
    content: tokens.map((token) => ({
      ...entry(token, token.rating?.logprob ?? null),
      top_logprobs: token.top.map((each) => entry(each, each.logprob)),
    })),
    refusal: null,
  };
}

/** `logprobs` of a completion's choice; the token itself is among the likeliest. */
export function completionLogprobs(tokens: readonly RatedToken[]): object {
  return {
    tokens: tokens.map(({ text }) => text),
    token_logprobs: tokens.map(({ rating }) => rating?.logprob ?? null),
    top_logprobs: tokens.map((token) => byName(token, ({ text, logprob }) => [text, logprob])),
    text_offset: tokens.map(({ offset }) => offset),
  };
}

/** vLLM's `prompt_logprobs`. */
export const promptLogprobs = (tokens: readonly RatedToken[]): readonly (object | null)[] =>
  tokens.map((token) =>
    byName(token, ({ id, text, logprob, rank }) => [id, { logprob, rank, decoded_token: text }]),
  );

/** The likeliest tokens and the token itself, each once; null where nothing is known of it. */
function byName(
  { top, rating, ...own }: RatedToken,
  entry: (token: NamedToken) => readonly [string | number, unknown],
): object | null {
  if (rating === null) return null;
  const isAmong = top.some(({ id }) => id === own.id);
  return Object.fromEntries([...top, ...(isAmong ? [] : [{ ...own, ...rating }])].map(entry));
}
