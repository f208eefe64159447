import { ServingError } from '../errors/serving-error.js';
import { argmax, finiteArgmax } from './argmax.js';
import { draw } from './draw.js';
import type { SamplingParams } from './params.js';
import { Penalties, penalises } from './penalties.js';
import { createRandom } from './random.js';

/** Picks the tokens of one sequence, in order; it remembers what it picked. */
export interface Sampler {
  /** Whether the next token is the one of the highest logit, whatever the others are: `sampleBest` can give it. */
  readonly needsOnlyBest: boolean;
  /**
   * The next token. Overwrites `logits` `[vocabulary]`. Throws `logits_invalid` when one is not a finite
   * number, `invalid_value` when every token is suppressed.
   */
  sample(logits: Float32Array): number;
  /** The next token, where only the highest logit is known. Throws `logits_invalid` when that is not finite. */
  sampleBest(token: number, logit: number): number;
}

/**
 * Steps in vLLM's order: logit bias, min_tokens, penalties; then greedy at temperature 0, or else temperature,
 * min_p, top_k, top_p and a draw. `prompt` is needed only for a repetition penalty.
 *
 * `before` are tokens of the sequence that another sampler has picked: this one goes on as that would have. Each
 * of them took one draw, if tokens are drawn at all.
 */
export function createSampler(
  params: SamplingParams,
  prompt: readonly number[],
  before: readonly number[] = [],
): Sampler {
  const random = createRandom(params.seed, before.length);
  const penalties = penalises(params) ? new Penalties(params, prompt) : null;
  for (const token of before) penalties?.record(token);
  let sampled = before.length;

  const suppressedNow = (): readonly number[] => (sampled < params.minTokens ? params.stopIds : []);

  /** Whether any logit was changed. */
  const adjust = (logits: Float32Array): boolean => {
    const suppressed = suppressedNow();
    for (const [token, bias] of params.logitBias) logits[token]! += bias;
    for (const token of suppressed) logits[token] = -Infinity;
    penalties?.apply(logits);
    return params.logitBias.length > 0 || suppressed.length > 0 || penalties !== null;
  };

  const take = (token: number): number => {
    penalties?.record(token);
    sampled += 1;
    return token;
  };

  return {
    get needsOnlyBest() {
      const changesLogits = params.logitBias.length > 0 || penalties !== null || suppressedNow().length > 0;
      return params.temperature === 0 && !changesLogits;
    },
    sampleBest(token, logit) {
      if (!Number.isFinite(logit)) throw invalidLogit(token, logit);
      return take(token);
    },
    sample(logits) {
      let best = finiteArgmax(logits);
      if (best === -1) throw notFinite(logits);
      if (adjust(logits)) best = argmax(logits);
      const highest = logits[best]!;
      if (highest === -Infinity) throw new ServingError('invalid_value', 'min_tokens suppresses every token');
      return take(params.temperature === 0 ? best : draw(logits, highest, params, random()));
    },
  };
}

function notFinite(logits: Float32Array): ServingError {
  const token = logits.findIndex((logit) => !Number.isFinite(logit));
  return invalidLogit(token, logits[token]!);
}

const invalidLogit = (token: number, logit: number): ServingError =>
  new ServingError('logits_invalid', `the logit of token ${token} is ${logit}`);
