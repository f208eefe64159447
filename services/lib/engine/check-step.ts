import { ServingError } from '../errors/serving-error.js';
import { areNumbers } from '../model/activations.js';
import { type LayerRange, ownsEmbedding } from '../model/split.js';
import type { ModelConfig } from '../model/types.js';
import type { StepInput } from './types.js';

/** What a step may assume of a sequence. */
export interface SequenceState {
  /** Tokens cached; undefined when it is not open. */
  length(sequence: string): number | undefined;
  /** Tokens that it may have at most. */
  maxLength(sequence: string): number;
}

/** Refuses a step that is not the continuation of its sequences, before anything is computed: `invalid_frame`. */
export function checkStep(
  { items, tokens, hidden }: StepInput,
  range: LayerRange,
  config: ModelConfig,
  sequences: SequenceState,
): void {
  let rows = 0;
  const seen = new Set<string>();
  for (const { sequence, position, count, logits } of items) {
    if (seen.has(sequence)) throw invalid(`sequence ${sequence} appears twice in one step`);
    seen.add(sequence);
    const length = sequences.length(sequence);
    if (length === undefined) throw invalid(`sequence ${sequence} is not open`);
    if (!Number.isInteger(position) || position < 0 || position > length) {
      throw invalid(`sequence ${sequence} is at ${length}, and cannot go on at ${position}`);
    }
    if (!Number.isInteger(count) || count < 1) throw invalid(`sequence ${sequence} has ${count} tokens`);
    if (!Number.isInteger(logits) || logits < 0 || logits > count) {
      throw invalid(`sequence ${sequence} has ${count} tokens, and no logits of ${logits}`);
    }
    if (position + count > sequences.maxLength(sequence)) {
      throw invalid(`sequence ${sequence} outgrows its ${sequences.maxLength(sequence)} tokens`);
    }
    rows += count;
  }
  if (ownsEmbedding(range)) {
    if (tokens?.length !== rows) throw invalid(`${rows} rows need as many token ids`);
    const wrong = tokens.find((token) => token < 0 || token >= config.vocabulary);
    if (wrong !== undefined) throw invalid(`token ${wrong} is not in the vocabulary of ${config.vocabulary}`);
  } else {
    if (hidden?.length !== rows * config.hidden)
      throw invalid(`${rows} rows need ${rows} × ${config.hidden} activations`);
    if (!areNumbers(hidden)) throw invalid('activations that are no numbers');
  }
}

const invalid = (message: string): ServingError => new ServingError('invalid_frame', message);
