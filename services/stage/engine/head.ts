import type { StepOutput } from '../../lib/engine/types.js';
import { ServingError } from '../../lib/errors/serving-error.js';
import type { Matcher } from '../../lib/grammar/matcher.js';
import type { TokenTrie } from '../../lib/grammar/token-trie.js';
import type { Activations } from '../../lib/model/activations.js';
import { logitRowsOf, type DraftedItem } from '../../lib/model/step.js';
import { RatedLogits } from '../../lib/sampling/logits.js';
import { createSampler, verify, type Sampler } from '../../lib/sampling/sampler.js';
import type { StepTokens, TokenLogprob } from '../../lib/sampling/step-tokens.js';
import { Constraints } from './constraints.js';
import type { EngineFailure, SamplerSpec } from './engine-messages.js';

/** A sequence that is sampled here. */
interface Sampled {
  readonly spec: SamplerSpec;
  readonly sampler: Sampler;
  /** Null without a grammar. */
  readonly matcher: Matcher | null;
}

/** The rows of logits that a step returned, one by one. */
interface Rows {
  /** Picks the token after a row. */
  sample(sampler: Sampler, row: number): number;
  /** The whole of a row, where it was asked for. */
  logits(row: number): Float32Array;
}

/** What the last stage does with logits: it scores the rows of prompts, and samples the tokens after all others. */
export class Head {
  /** Null as long as it knows no words: then it keeps no sequence to a grammar. */
  #constraints: Constraints | null = null;
  readonly #sequences = new Map<string, Sampled>();

  /** The tokens of the model. */
  learn(vocabulary: TokenTrie): void {
    this.#constraints = new Constraints(vocabulary);
  }

  /** Throws `invalid_grammar`, and `unsupported_parameter` for any where there can be none. */
  open(sequence: string, spec: SamplerSpec): void {
    const matcher = this.#matcherOf(spec);
    const sampler = createSampler(spec.params, spec.prompt, spec.sampled, matcher);
    this.#sequences.set(sequence, { spec, sampler, matcher });
  }

  /** Of one that is not open there is nothing to close. */
  close(sequence: string): void {
    this.#sequences.get(sequence)?.matcher?.dispose();
    this.#sequences.delete(sequence);
  }

  #matcherOf({ params: { constraint } }: SamplerSpec): Matcher | null {
    if (constraint === null) return null;
    if (this.#constraints !== null) return this.#constraints.matcher(constraint);
    throw new ServingError('unsupported_parameter', 'this engine keeps no answer to a grammar');
  }

  /** Whether nothing is asked of the items' logits but which is the highest. */
  needsOnlyBest(items: readonly DraftedItem[]): boolean {
    return items.every(
      ({ sequence, score = 0 }) =>
        score === 0 && this.#sequences.get(sequence)?.sampler.needsOnlyBest === true,
    );
  }

  /** Of items that want logits, in the order in which the engine returned these. */
  read(
    items: readonly DraftedItem[],
    output: Exclude<StepOutput, { hidden: Activations }>,
  ): (StepTokens | EngineFailure)[] {
    const rows = rowsOf(
      output,
      items.reduce((sum, item) => sum + logitRowsOf(item), 0),
    );
    let next = 0;
    return items.map((item) => {
      const first = next;
      next += logitRowsOf(item);
      try {
        return this.#readItem(item, first, rows);
      } catch (reason) {
        return failureOf(reason);
      }
    });
  }

  /** The item's rows of logits begin at `first`: those that are scored, or of which the last are sampled after. */
  #readItem(item: DraftedItem, first: number, rows: Rows): StepTokens {
    const { spec, sampler } = this.#sequences.get(item.sequence)!;
    // Sampling writes into its row.
    const scored = scoresOf(item, spec, (row) => rows.logits(first + row));
    if (item.logits === 0) return { tokens: [], ...scored };

    const logprobs: TokenLogprob[] = [];
    const likeliest = spec.params.logprobs;
    const start = first + logitRowsOf(item) - item.logits;
    const sampleRow = (row: number): number => {
      const rated = likeliest === null ? null : new RatedLogits(rows.logits(start + row).slice(), likeliest);
      const token = rows.sample(sampler, start + row);
      if (rated !== null) logprobs.push(rated.of(token));
      return token;
    };
    const tokens = verify(item.draft, sampleRow, () => sampler.ended);
    const told = { ...(likeliest !== null && { logprobs }), ...(sampler.ended && { ended: true }) };
    return { tokens, ...told, ...scored };
  }
}

/** What is asked of the item's prompt: each of its last `score` rows rates the token of the prompt that comes after it. */
function scoresOf(
  { position, count, score = 0 }: DraftedItem,
  { score: likeliest, prompt }: SamplerSpec,
  logits: (row: number) => Float32Array,
): Pick<StepTokens, 'scored'> {
  if (score === 0) return {};
  if (likeliest === null) throw new ServingError('invalid_frame', 'rows to score of a prompt that is not');
  const from = position + count - score + 1;
  const targets = prompt.slice(from, from + score);
  const logprobs = targets.map((token, row) => new RatedLogits(logits(row), likeliest).of(token));
  return logprobs.length === 0 ? {} : { scored: { from, logprobs } };
}

function rowsOf({ best, logits }: Exclude<StepOutput, { hidden: Activations }>, count: number): Rows {
  if (best !== undefined) {
    return {
      sample: (sampler, row) => sampler.sampleBest(best.tokens[row]!, best.logits[row]!),
      logits: () => new Float32Array(),
    };
  }
  const vocabulary = logits.length / count;
  const rowAt = (row: number): Float32Array => logits.subarray(row * vocabulary, (row + 1) * vocabulary);
  return { sample: (sampler, row) => sampler.sample(rowAt(row)), logits: rowAt };
}

/** What crosses to another thread of an error, whose class a copy would lose. */
export function failureOf(reason: unknown): EngineFailure {
  const { code, message } = ServingError.from(reason);
  return { code, message };
}
