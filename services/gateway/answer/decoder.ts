import { StreamingDetokenizer } from '../../lib/model/text/detokenizer.js';
import type { Tokenizer } from '../../lib/model/text/tokenizer.js';
import type { FinishReason, ToolCallPiece } from '../../lib/openai/response-format.js';
import type { StepTokens, TokenLogprob } from '../../lib/sampling/step-tokens.js';
import { StopMatcher } from '../../lib/sampling/stop-matcher.js';
import type { Choice } from './choice.js';
import { ToolOutput } from './tool-output.js';

/** What the tokens of one step brought. */
export interface Piece {
  /** Those that belong to the answer: what came after its end does not. */
  readonly tokens: readonly number[];
  /** Of each of them, where they are wanted. */
  readonly logprobs?: readonly TokenLogprob[];
  /** Text that became certain with them, often empty. */
  readonly text: string;
  /** What became certain of calls of tools; at least one, where there are any. */
  readonly toolCalls?: readonly ToolCallPiece[];
  /** Not null for the last piece. */
  readonly finishReason: FinishReason | null;
  /** Of the last piece, the stop string that ended the answer, where one did. */
  readonly stopString?: string;
}

type Ending = Pick<Piece, 'finishReason' | 'stopString'>;

/**
 * Turns a choice's tokens into text and calls of tools, and says when it ends: by a stop token, a stop string, its grammar or its length. A
 * stop string that is a special token, of which the text shows nothing, ends it as that token.
 */
export class ChoiceDecoder {
  readonly #choice: Choice;
  readonly #tokenizer: Tokenizer;
  readonly #stopIds: ReadonlySet<number>;
  readonly #specialStops: ReadonlySet<number>;
  readonly #detokenizer: StreamingDetokenizer;
  readonly #matcher: StopMatcher;
  readonly #output: ToolOutput | null;
  #tokens = 0;

  constructor(choice: Choice, tokenizer: Tokenizer) {
    this.#choice = choice;
    this.#tokenizer = tokenizer;
    this.#stopIds = new Set(choice.sampling.stopIds);
    this.#specialStops = specialTokensOf(choice.stop, tokenizer);
    const { prompt, showSpecial, calls } = choice;
    const marks = specialTokensOf(calls?.style.marks ?? [], tokenizer);
    const shows = (id: number): boolean => showSpecial || marks.has(id);
    this.#detokenizer = new StreamingDetokenizer(tokenizer, { prompt, shows });
    this.#output = calls && new ToolOutput(calls);
    this.#matcher = new StopMatcher(choice.stop, choice.includeStop);
  }

  /** A step's tokens, at least one. */
  push(step: StepTokens): Piece {
    const piece = this.#decode(step);
    return this.#output === null ? piece : this.#tellCalls(piece, this.#output);
  }

  #tellCalls(piece: Piece, output: ToolOutput): Piece {
    const { text, calls } = output.push(piece.text, piece.finishReason !== null);
    let finishReason = output.ended ? 'stop' : piece.finishReason;
    if (finishReason === 'stop' && output.count > 0) finishReason = this.#choice.calls!.finishReason;
    return { ...piece, text, ...(calls.length > 0 && { toolCalls: calls }), finishReason };
  }

  #decode({ tokens, logprobs, ended = false }: StepTokens): Piece {
    let text = '';
    let count = 0;
    let last: Ending = { finishReason: null };
    while (last.finishReason === null && count < tokens.length) {
      const { text: shown, ...ending } = this.#next(tokens[count]!, ended && count === tokens.length - 1);
      text += shown;
      last = ending;
      count += 1;
    }
    const told = logprobs && { logprobs: logprobs.slice(0, count) };
    return { tokens: tokens.slice(0, count), ...told, text, ...last };
  }

  /** `ended`: nothing may come after it. */
  #next(token: number, ended: boolean): Pick<Piece, 'text'> & Ending {
    this.#tokens += 1;
    // As in vLLM, the first min_tokens are not searched for stop strings.
    const searched = this.#tokens > this.#choice.sampling.minTokens;
    const stopString = searched && this.#specialStops.has(token);
    const stopped = stopString || this.#stopIds.has(token);
    const last = stopped || ended || this.#tokens === this.#choice.maxTokens;

    // A stop token is counted but not shown.
    let text = stopped ? '' : this.#detokenizer.push(token);
    if (last) text += this.#detokenizer.flush();

    if (searched) {
      const found = this.#matcher.push(text);
      const { stopString: met } = found;
      if (met !== undefined) return { text: found.text, finishReason: 'stop', stopString: met };
      text = found.text;
    }
    if (!last) return { text, finishReason: null };
    text += this.#matcher.flush();
    if (stopString) {
      const special = this.#tokenizer.tokenOf(token)!;
      return {
        text: this.#choice.includeStop ? text + special : text,
        finishReason: 'stop',
        stopString: special,
      };
    }
    return { text, finishReason: stopped || ended ? 'stop' : 'length' };
  }
}

function specialTokensOf(texts: readonly string[], tokenizer: Tokenizer): ReadonlySet<number> {
  const ids = texts.map((text) => tokenizer.idOf(text));
  return new Set(ids.filter((id) => id !== undefined && tokenizer.isSpecial(id)) as number[]);
}
