import { ServingError } from '../errors/serving-error.js';
import { draw } from './draw.js';
import type { Matcher } from '../grammar/matcher.js';
import { GrammarGuard } from './grammar-guard.js';
import { argmax, invalidLogit, requireFinite } from './logits.js';
import type { SamplingParams } from './params.js';
import { createRandom } from './random.js';

/** Picks the tokens of one sequence, in order; it remembers what it picked. */
export interface Sampler {
  /** Whether the next token is the one of the highest logit, whatever the others are: `sampleBest` can give it. */
  readonly needsOnlyBest: boolean;
  /** Nothing may come after what was picked, by the grammar that it is to be of. */
  readonly ended: boolean;
  /**
   * The next token. Overwrites `logits` `[vocabulary]`. Throws `logits_invalid` when one is not a finite
   * number, `invalid_value` when every token is suppressed, `invalid_grammar` when the grammar leaves none.
   */
  sample(logits: Float32Array): number;
  /** The next token, where only the highest logit is known. Throws `logits_invalid` when that is not finite. */
  sampleBest(token: number, logit: number): number;
}

/**
 * Steps in vLLM's order: logit bias, min_tokens and the grammar, penalties; then greedy at temperature 0, or else
 * temperature, min_p, top_k, top_p and a draw. `prompt` is needed only for a repetition penalty. `matcher` follows the
 * grammar, from its beginning. Where nothing but an end may come, it comes before min_tokens.
 *
 * `before` are tokens of the sequence that another sampler has picked: this one goes on as that would have. Each
 * of them took one draw, if tokens are drawn at all.
 */
export function createSampler(
  params: SamplingParams,
  prompt: readonly number[],
  before: readonly number[] = [],
  matcher: Matcher | null = null,
): Sampler {
  const random = createRandom(params.seed, before.length);
  const penalties = penalises(params) ? new Penalties(params, prompt) : null;
  const ends = [...params.stopIds, ...(params.constraint?.endIds ?? [])];
  const guard = matcher === null ? null : new GrammarGuard(matcher, ends);
  let sampled = 0;

  const suppressedNow = (): readonly number[] => (sampled < params.minTokens ? params.stopIds : []);

  const changesLogits = params.logitBias.length > 0 || penalties !== null || guard !== null;

  /** Whether any logit was changed. */
  const adjust = (logits: Float32Array): boolean => {
    const suppressed = suppressedNow();
    for (const [token, bias] of params.logitBias) logits[token]! += bias;
    if (guard !== null) guard.mask(logits, suppressed.length > 0);
    else for (const token of suppressed) logits[token] = -Infinity;
    penalties?.apply(logits);
    return changesLogits || suppressed.length > 0;
  };

  const take = (token: number): number => {
    penalties?.record(token);
    guard?.accept(token);
    sampled += 1;
    return token;
  };
  for (const token of before) take(token);

  return {
    get needsOnlyBest() {
      const isPlain = params.temperature === 0 && params.logprobs === null;
      return isPlain && !changesLogits && suppressedNow().length === 0;
    },
    get ended() {
      return guard?.ended ?? false;
    },
    sampleBest(token, logit) {
      if (!Number.isFinite(logit)) throw invalidLogit(token, logit);
      return take(token);
    },
    sample(logits) {
      let best = requireFinite(logits);
      if (adjust(logits)) best = argmax(logits);
      const highest = logits[best]!;
      if (highest === -Infinity) throw nothingLeft(guard);
      return take(params.temperature === 0 ? best : draw(logits, highest, params, random()));
    },
  };
}

/**
 * Samples the tokens after a draft's rows, one by one as if each row had been a step of its own (`sampleRow` picks
 * the token after a row), and stops at the first that is not what was drafted, since what follows was computed
 * from the wrong token. So the sequence's draws, and for equal logits its tokens, are those that it would have
 * without a draft, and at least one comes. After what `ended` nothing is sampled, whatever was drafted.
 */
export function verify(
  draft: readonly number[],
  sampleRow: (row: number) => number,
  ended: () => boolean = () => false,
): number[] {
  const tokens: number[] = [];
  do tokens.push(sampleRow(tokens.length));
  while (tokens.at(-1) === draft[tokens.length - 1] && !ended());
  return tokens;
}

const nothingLeft = (guard: GrammarGuard | null): ServingError =>
  guard === null
    ? new ServingError('invalid_value', 'min_tokens suppresses every token')
    : new ServingError('invalid_grammar', 'the grammar goes on with nothing but tokens that stop the answer');

type PenaltyParams = Pick<SamplingParams, 'repetitionPenalty' | 'presencePenalty' | 'frequencyPenalty'>;

/** Whether the parameters change any logit. */
export const penalises = (params: PenaltyParams): boolean =>
  params.repetitionPenalty !== 1 || params.presencePenalty !== 0 || params.frequencyPenalty !== 0;

/**
 * vLLM's penalties. Repetition (CTRL, Keskar et al. 2019) pulls every token of prompt and output towards
 * zero or below by a factor; presence and frequency (OpenAI) lower the output's tokens by a constant, and by
 * a constant for each time that they were sampled.
 */
class Penalties {
  readonly #params: PenaltyParams;
  /** How often each token seen so far was sampled; 0 for one that only the prompt has. */
  readonly #counts = new Map<number, number>();

  constructor(params: PenaltyParams, prompt: readonly number[]) {
    this.#params = params;
    for (const token of prompt) this.#counts.set(token, 0);
  }

  record(token: number): void {
    this.#counts.set(token, (this.#counts.get(token) ?? 0) + 1);
  }

  apply(logits: Float32Array): void {
    const { repetitionPenalty, presencePenalty, frequencyPenalty } = this.#params;
    for (const [token, count] of this.#counts) {
      const logit = logits[token]!;
      const repeated = logit > 0 ? logit / repetitionPenalty : logit * repetitionPenalty;
      logits[token] = repeated - frequencyPenalty * count - (count > 0 ? presencePenalty : 0);
    }
  }
}
