import { StreamingDetokenizer } from '../../lib/model/text/detokenizer.js';
import { CALL_MARKS } from '../../lib/model/text/tool-style.js';
import type { Tokenizer } from '../../lib/model/text/tokenizer.js';
import type { FinishReason, ToolCallPiece } from '../../lib/openai/response-format.js';
import { ratedToken, type RatedToken } from '../../lib/openai/logprobs.js';
import type { StepTokens } from '../../lib/sampling/step-tokens.js';
import { StopMatcher } from '../../lib/sampling/stop-matcher.js';
import type { Choice } from './choice.js';
import { RatedText } from './rated-text.js';
import { ToolOutput } from './tool-output.js';

/** What the tokens of one step brought. */
export interface Piece {
  /** Those that belong to the answer: what came after its end does not. */
  readonly tokens: readonly number[];
  /** Of those whose text has begun to be shown since the last piece, where they are wanted. */
  readonly logprobs?: readonly RatedToken[];
  /** Of the prompt, in the first piece, where they are wanted apart from the answer. */
  readonly promptLogprobs?: readonly RatedToken[];
  /** Text that became certain with them, often empty. */
  readonly text: string;
  /** What became certain of calls of tools; at least one, where there are any. */
  readonly toolCalls?: readonly ToolCallPiece[];
  /** Not null for the last piece. */
  readonly finishReason: FinishReason | null;
  /** Of the last piece, the stop string that ended the answer, where one did. */
  readonly stopString?: string;
}

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
  /** Null where nobody wants to know. */
  readonly #rated: RatedText | null;
  readonly #output: ToolOutput | null;
  #tokens = 0;

  constructor(choice: Choice, tokenizer: Tokenizer) {
    this.#choice = choice;
    this.#tokenizer = tokenizer;
    this.#stopIds = new Set(choice.sampling.stopIds);
    this.#specialStops = specialTokensOf(choice.stop, tokenizer);
    const { prompt, echo, showSpecial, calls, sampling } = choice;
    // To a grammar all of them are text.
    const shown = sampling.constraint === null ? (calls?.style.marks ?? []) : [...CALL_MARKS];
    const marks = specialTokensOf(shown, tokenizer);
    const shows = (id: number): boolean => showSpecial || marks.has(id);
    this.#detokenizer = new StreamingDetokenizer(tokenizer, {
      prompt: echo === undefined ? prompt : [],
      shows,
    });
    this.#output = calls && new ToolOutput(calls);
    this.#matcher = new StopMatcher(choice.stop, choice.includeStop);
    const { logprobs } = sampling;
    this.#rated = logprobs === null ? null : new RatedText(tokenizer, logprobs);
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

  #decode({ tokens, logprobs = [], scored, ended = false }: StepTokens): Piece {
    const prompt = this.#tokens === 0 ? this.#prompt(scored?.logprobs ?? []) : null;
    if (this.#choice.echo === 'alone') {
      this.#tokens += 1;
      return { tokens: [], text: '', ...prompt, finishReason: 'length' };
    }
    let text = '';
    let count = 0;
    let end: End | null = null;
    while (end === null && count < tokens.length) {
      const token = tokens[count]!;
      const next = this.#next(token, ended && count === tokens.length - 1);
      this.#rated?.add(token, next.certain, logprobs[count]!);
      text += next.text;
      end = next.end;
      count += 1;
    }
    const rated = this.#rated?.show(text) ?? [];
    if (end !== null && !end.cuts) rated.push(...(this.#rated?.all() ?? []));
    return {
      tokens: tokens.slice(0, count),
      ...prompt,
      ...(this.#rated && { logprobs: [...(prompt?.logprobs ?? []), ...rated] }),
      text: (prompt?.text ?? '') + text,
      finishReason: end?.reason ?? null,
      ...(end?.stopString !== undefined && { stopString: end.stopString }),
    };
  }

  /** What is shown and told of the prompt, with the first step. */
  #prompt(scores: NonNullable<StepTokens['scored']>['logprobs']): Partial<Piece> {
    const { prompt, echo, promptLogprobs } = this.#choice;
    const scoreOf = (index: number) => scores[index - 1] ?? null;
    const apart = promptLogprobs !== undefined && {
      promptLogprobs: prompt.map((id, index) =>
        ratedToken(this.#tokenizer, id, { offset: 0, logprob: scoreOf(index), likeliest: promptLogprobs }),
      ),
    };
    if (echo === undefined) return { ...apart };
    let text = '';
    for (const [index, id] of prompt.entries()) {
      const certain = this.#detokenizer.push(id);
      this.#rated?.add(id, certain, scoreOf(index));
      text += certain;
    }
    if (echo === 'alone') text += this.#detokenizer.flush();
    const logprobs = this.#rated && { logprobs: [...this.#rated.show(text), ...this.#rated.all()] };
    return { ...apart, ...logprobs, text };
  }

  /** `ended`: nothing may come after it. `certain`: the text that became certain with it, be it shown now, later or never. */
  #next(token: number, ended: boolean): { certain: string; text: string; end: End | null } {
    this.#tokens += 1;
    // As in vLLM, the first min_tokens are not searched for stop strings.
    const searched = this.#tokens > this.#choice.sampling.minTokens;
    const isStopString = searched && this.#specialStops.has(token);
    const stopped = isStopString || this.#stopIds.has(token);
    const last = stopped || ended || this.#tokens === this.#choice.maxTokens;

    // A stop token is counted but not shown.
    let certain = stopped ? '' : this.#detokenizer.push(token);
    if (last) certain += this.#detokenizer.flush();

    let text = certain;
    if (searched) {
      const { text: before, stopString } = this.#matcher.push(text);
      if (stopString !== undefined) {
        return { certain, text: before, end: { reason: 'stop', cuts: true, stopString } };
      }
      text = before;
    }
    if (!last) return { certain, text, end: null };
    text += this.#matcher.flush();
    if (!isStopString) {
      return { certain, text, end: { reason: stopped || ended ? 'stop' : 'length', cuts: false } };
    }
    const stopString = this.#tokenizer.tokenOf(token)!;
    if (this.#choice.includeStop) text += stopString;
    return { certain, text, end: { reason: 'stop', cuts: true, stopString } };
  }
}

/** Why an answer ends, and whether by what is cut off, a stop string. */
interface End {
  readonly reason: FinishReason;
  readonly cuts: boolean;
  readonly stopString?: string;
}

function specialTokensOf(texts: readonly string[], tokenizer: Tokenizer): ReadonlySet<number> {
  const ids = texts.map((text) => tokenizer.idOf(text));
  return new Set(ids.filter((id) => id !== undefined && tokenizer.isSpecial(id)) as number[]);
}
