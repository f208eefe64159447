import { StreamingDetokenizer } from '../lib/model/text/detokenizer.js';
import type { Tokenizer } from '../lib/model/text/tokenizer.js';
import type { FinishReason } from '../lib/openai/response-format.js';
import { StopMatcher } from '../lib/sampling/stop-matcher.js';
import type { Choice } from './choice.js';

/** What one token brought. */
export interface Piece {
  readonly token: number;
  /** Text that became certain with it, often empty. */
  readonly text: string;
  /** Not null for the last piece. */
  readonly finishReason: FinishReason | null;
}

/** Turns a choice's tokens into text and says when it ends: by a stop token, a stop string or its length. */
export class ChoiceDecoder {
  readonly #choice: Choice;
  readonly #stopIds: ReadonlySet<number>;
  readonly #detokenizer: StreamingDetokenizer;
  readonly #matcher: StopMatcher;
  #tokens = 0;

  constructor(choice: Choice, tokenizer: Tokenizer) {
    this.#choice = choice;
    this.#stopIds = new Set(choice.sampling.stopIds);
    this.#detokenizer = new StreamingDetokenizer(tokenizer, choice.prompt);
    this.#matcher = new StopMatcher(choice.stop, choice.includeStop);
  }

  push(token: number): Piece {
    this.#tokens += 1;
    const stopped = this.#stopIds.has(token);
    const last = stopped || this.#tokens === this.#choice.maxTokens;

    // A stop token is counted but not shown.
    let text = stopped ? '' : this.#detokenizer.push(token);
    if (last) text += this.#detokenizer.flush();

    // As in vLLM, the text of the first min_tokens is not searched for stop strings.
    if (this.#tokens > this.#choice.sampling.minTokens) {
      const found = this.#matcher.push(text);
      if (found.stopped) return { token, text: found.text, finishReason: 'stop' };
      text = found.text;
    }
    if (!last) return { token, text, finishReason: null };
    return { token, text: text + this.#matcher.flush(), finishReason: stopped ? 'stop' : 'length' };
  }
}
