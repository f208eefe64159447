import type { Warn } from '../checkpoint/opened-model.js';

/** What a checkpoint is fitted to when its tokens are read. */
export interface Rows {
  /** Of the embedding: a token beyond has no meaning to the model. */
  readonly rows: number;
  readonly warn: Warn;
}

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
