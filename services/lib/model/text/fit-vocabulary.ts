import { z } from 'zod';
import { ServingError } from '../../errors/serving-error.js';
import type { Warn } from '../checkpoint/opened-model.js';
import { vocabularySchema } from './tokenizer-json/byte-pairs.js';
import { tokensAround } from './tokenizer-json/post-processor.js';

/** What a checkpoint is fitted to when its tokens are read. */
export interface Rows {
  /** Of the embedding: a token beyond has no meaning to the model. */
  readonly rows: number;
  readonly warn: Warn;
}

/** As much of a tokenizer.json as has ids; whether it can be served is the tokenizer's to say. */
const fileSchema = z.looseObject({
  added_tokens: z.array(z.looseObject({ id: z.number(), content: z.string() })).nullish(),
  model: z.looseObject({ vocab: vocabularySchema }),
  post_processor: z.unknown().optional(),
});

/**
 * A tokenizer.json without the added tokens that have no row in the embedding: they were added after training, and
 * the model can neither read nor write them, so their texts stay text. Fewer tokens than rows is how matrices are
 * padded. Throws `checkpoint_invalid` where the model's own tokens have no rows, or those put around every text,
 * and `unsupported_tokenizer` where these are put by a step that is not known.
 */
export function fitVocabulary(tokenizer: unknown, { rows, warn }: Rows): unknown {
  const { data: file } = fileSchema.safeParse(tokenizer);
  if (file === undefined) return tokenizer;
  const beyond = (file.added_tokens ?? []).filter(({ id }) => id >= rows);
  const dropped = new Set(beyond.map(({ content }) => content));
  const vocabulary = Object.entries(file.model.vocab);
  const stranger =
    vocabulary.find(([token, id]) => id >= rows && !dropped.has(token)) ??
    tokensAround(file.post_processor).find(([, id]) => id >= rows);
  if (stranger !== undefined) throw noRow(stranger, rows);
  const [first] = beyond;
  if (first === undefined) return tokenizer;

  const those = beyond.length === 1 ? 'the added token' : `${beyond.length} added tokens, the first of them`;
  warn(
    `${those} ${JSON.stringify(first.content)} (${first.id}), beyond the ${rows} rows of the embedding`,
    'in texts it is plain characters',
  );
  return {
    ...file,
    added_tokens: file.added_tokens!.filter(({ id }) => id < rows),
    model: { ...file.model, vocab: Object.fromEntries(vocabulary.filter(([, id]) => id < rows)) },
  };
}

const noRow = ([token, id]: readonly [string, number], rows: number): ServingError =>
  new ServingError(
    'checkpoint_invalid',
    `the tokenizer has ${JSON.stringify(token.slice(0, 80))} (${id}), but the embedding only ${rows} rows`,
    { hint: 'take the tokenizer and the weights of the same model' },
  );

/**
 * The tokens that a field names: an id, a list of ids, or null. What is no token's id is warned of and left out; so
 * writers say that there is no such token (4294967295, -1), or meant another tokenizer.
 */
export function tokenIds(field: string, value: unknown, { rows, warn }: Rows): number[] {
  const values = [value ?? []].flat().map((id: unknown) => (typeof id === 'bigint' ? Number(id) : id));
  const isToken = (id: unknown): id is number =>
    Number.isInteger(id) && 0 <= (id as number) && (id as number) < rows;
  const stranger = values.find((id) => !isToken(id));
  if (stranger !== undefined) {
    const shown = JSON.stringify(stranger).slice(0, 80);
    warn(`${field} is ${shown}, which is none of the ${rows} tokens`, 'the value is not used');
  }
  return values.filter(isToken);
}
