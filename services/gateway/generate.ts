import { ServingError } from '../lib/errors/serving-error.js';
import type { ChoiceDecoder, Piece } from './choice-decoder.js';
import type { ChoiceMeter } from './metrics.js';

/**
 * The decode loop of one choice: a piece for each step, the last with the reason why it ended. The sequence
 * is released before the last piece is given out, and at once when the consumer breaks off.
 */
export async function* generate(
  steps: AsyncIterable<readonly number[]>,
  decoder: ChoiceDecoder,
  meter: ChoiceMeter,
): AsyncGenerator<Piece> {
  let last: Piece | null = null;
  for await (const tokens of steps) {
    const piece = decoder.push(tokens);
    meter.tokens(piece.tokens.length);
    if (piece.finishReason !== null) {
      meter.finish(piece.finishReason);
      last = piece;
      break;
    }
    yield piece;
  }
  if (last === null) throw new ServingError('stream_broken', 'the tokens ended before the answer did');
  yield last;
}
