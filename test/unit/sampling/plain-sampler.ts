import type { SamplingParams } from '../../../services/lib/sampling/params.js';

/**
 * Sampling as the papers tell it: sort everything, take prefixes. Returns the candidates' probabilities,
 * likeliest first; `slack` widens (or narrows) the nucleus, for rounding can move its edge.
 */
export function plainCandidates(
  logits: Float32Array,
  params: Pick<SamplingParams, 'temperature' | 'topK' | 'topP' | 'minP'>,
  slack = 0,
): Map<number, number> {
  const ranked = [...logits.keys()]
    .filter((id) => logits[id] !== -Infinity)
    .sort((a, b) => logits[b]! - logits[a]! || a - b);
  const highest = logits[ranked[0]!]!;
  const weigh = (id: number): number => Math.exp((logits[id]! - highest) / params.temperature);

  let kept = ranked.filter((id) => logits[id]! >= highest + params.temperature * Math.log(params.minP));
  if (params.topK > 0) kept = kept.slice(0, params.topK);
  kept = nucleus(kept, weigh, params.topP + slack);

  const total = kept.reduce((sum, id) => sum + weigh(id), 0);
  return new Map(kept.map((id) => [id, weigh(id) / total]));
}

function nucleus(ranked: readonly number[], weigh: (id: number) => number, topP: number): number[] {
  if (topP >= 1) return [...ranked];
  const total = ranked.reduce((sum, id) => sum + weigh(id), 0);
  let mass = 0;
  const end = ranked.findIndex((id) => (mass += weigh(id)) >= topP * total);
  return ranked.slice(0, end + 1);
}

/** vLLM's penalties, written out over the whole vocabulary. */
export function plainPenalties(
  logits: Float32Array,
  params: Pick<SamplingParams, 'repetitionPenalty' | 'presencePenalty' | 'frequencyPenalty'>,
  prompt: readonly number[],
  output: readonly number[],
): Float32Array {
  return logits.map((logit, id) => {
    const count = output.filter((token) => token === id).length;
    const seen = count > 0 || prompt.includes(id);
    if (seen) logit = logit > 0 ? logit / params.repetitionPenalty : logit * params.repetitionPenalty;
    return logit - params.frequencyPenalty * count - params.presencePenalty * Number(count > 0);
  });
}
