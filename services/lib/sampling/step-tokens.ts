import type { MessageInitShape } from '@bufbuild/protobuf';
import type { Sampled, SampledSchema } from '../wire/gen/stage_pb.js';

/** How the model rated a token: by the logits as it gave them, before bias, penalties, grammar and temperature. */
export interface TokenLogprob {
  /** Natural logarithm of its probability. */
  readonly logprob: number;
  /** 1 is the likeliest. */
  readonly rank: number;
  /** The likeliest tokens, in order, as many as were asked for, and their log probabilities. */
  readonly ids: readonly number[];
  readonly values: readonly number[];
}

/** What one step brought of a sequence. */
export interface StepTokens {
  /** Sampled token ids: several where guesses were right. */
  readonly tokens: readonly number[];
  /** Of each of them, where they are wanted. */
  readonly logprobs?: readonly TokenLogprob[];
  /** Of the prompt's own tokens from a position on, where they are wanted. */
  readonly scored?: { readonly from: number; readonly logprobs: readonly TokenLogprob[] };
  /** Whether the grammar allows nothing after them. */
  readonly ended?: boolean;
}

/** As `Tokens` carries it from the head to the gateway. */
export function toSampledFields({ tokens, logprobs = [], scored, ended = false }: StepTokens) {
  return {
    tokens: [...tokens],
    logprobs: logprobs.map(toMessage),
    scored: scored?.logprobs.map(toMessage) ?? [],
    scoredFrom: scored?.from ?? 0,
    ended,
  } satisfies MessageInitShape<typeof SampledSchema>;
}

const toMessage = ({ logprob, rank, ids, values }: TokenLogprob) => ({
  logprob,
  rank,
  ids: [...ids],
  values: [...values],
});

/** Null where a list has not as many entries as what it tells of. */
export function fromSampledMessage(sampled: Sampled): StepTokens | null {
  const { tokens, logprobs, scored, scoredFrom, ended } = sampled;
  const fits = logprobs.length === 0 || logprobs.length === tokens.length;
  if (!fits || ![...logprobs, ...scored].every(({ ids, values }) => ids.length === values.length))
    return null;
  return {
    tokens,
    ...(logprobs.length > 0 && { logprobs }),
    ...(scored.length > 0 && { scored: { from: scoredFrom, logprobs: scored } }),
    ...(ended && { ended }),
  };
}
