import { StreamingDetokenizer } from '../../lib/model/text/detokenizer.js';
import type { Tokenizer } from '../../lib/model/text/tokenizer.js';
import type { FinishReason } from '../../lib/openai/response-format.js';
import { StopMatcher } from '../../lib/sampling/stop-matcher.js';
import type { Choice } from './choice.js';

/** What the tokens of one step brought. */
export interface Piece {
  /** Those that belong to the answer: what came after its end does not. */
  readonly tokens: readonly number[];
  /** Text that became certain with them, often empty. */
  readonly text: string;
  /** Not null for the last piece. */
  readonly finishReason: FinishReason | null;
}

/**
 * Turns a choice's tokens into text and says when it ends: by a stop token, a stop string or its length. A stop
 * string that is a special token, of which the text shows nothing, ends it as that token.
 */
export class ChoiceDecoder {
  readonly #choice: Choice;
  readonly #tokenizer: Tokenizer;
  readonly #stopIds: ReadonlySet<number>;
  readonly #specialStops: ReadonlySet<number>;
  readonly #detokenizer: StreamingDetokenizer;
  readonly #matcher: StopMatcher;
  #tokens = 0;

  constructor(choice: Choice, tokenizer: Tokenizer) {
    this.#choice = choice;
    this.#tokenizer = tokenizer;
    this.#stopIds = new Set(choice.sampling.stopIds);
    this.#specialStops = specialTokensOf(choice.stop, tokenizer);
    const { prompt, showSpecial } = choice;
    this.#detokenizer = new StreamingDetokenizer(tokenizer, { prompt, shows: () => showSpecial });
    this.#matcher = new StopMatcher(choice.stop, choice.includeStop);
  }

  /** A step's tokens, at least one. */
  push(tokens: readonly number[]): Piece {
    let text = '';
    for (const [index, token] of tokens.entries()) {
      const next = this.#next(token);
      text += next.text;
      if (next.finishReason !== null)
        return { tokens: tokens.slice(0, index + 1), text, finishReason: next.finishReason };
    }
    return { tokens, text, finishReason: null };
  }

  #next(token: number): Omit<Piece, 'tokens'> {
    this.#tokens += 1;
    // As in vLLM, the first min_tokens are not searched for stop strings.
    const searched = this.#tokens > this.#choice.sampling.minTokens;
    const stopString = searched && this.#specialStops.has(token);
    const stopped = stopString || this.#stopIds.has(token);
    const last = stopped || this.#tokens === this.#choice.maxTokens;

    // A stop token is counted but not shown.
    let text = stopped ? '' : this.#detokenizer.push(token);
    if (last) text += this.#detokenizer.flush();

    if (searched) {
      const found = this.#matcher.push(text);
      if (found.stopped) return { text: found.text, finishReason: 'stop' };
      text = found.text;
    }
    if (!last) return { text, finishReason: null };
    text += this.#matcher.flush();
    if (stopString && this.#choice.includeStop) text += this.#tokenizer.tokenOf(token)!;
    return { text, finishReason: stopped ? 'stop' : 'length' };
  }
}

function specialTokensOf(stops: readonly string[], tokenizer: Tokenizer): ReadonlySet<number> {
  const ids = stops.map((stop) => tokenizer.idOf(stop));
  return new Set(ids.filter((id) => id !== undefined && tokenizer.isSpecial(id)) as number[]);
}
