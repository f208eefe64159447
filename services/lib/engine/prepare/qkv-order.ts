import type { ModelConfig, TensorName } from '../../model/types.js';

/** Some rows (output channels) of a matrix, all multiplied by `gain`. */
export interface TensorRows {
  readonly tensor: TensorName;
  readonly start: number;
  readonly end: number;
  readonly gain: number;
}

/** All rows of a matrix, as they are. */
export const allRows = (tensor: TensorName, rows: number): TensorRows => ({
  tensor,
  start: 0,
  end: rows,
  gain: 1,
});

/**
 * The order of the output channels of `qkv`: each KV head's query heads and then its key head, so that one
 * node rotates them and one puts them where attention wants them; then all values. Queries take over
 * attention's scale, 1 / sqrt(headDim), which the graph then needs not apply.
 */
export function qkvOrder(layer: number, { heads, kvHeads, headDim }: ModelConfig): TensorRows[] {
  const group = heads / kvHeads;
  const order: TensorRows[] = [];
  for (let head = 0; head < kvHeads; head++) {
    const [q, k] = [`layers.${layer}.q`, `layers.${layer}.k`] as const;
    const [start, end] = [head * group * headDim, (head + 1) * group * headDim];
    order.push({ tensor: q, start, end, gain: 1 / Math.sqrt(headDim) });
    order.push({ tensor: k, start: head * headDim, end: (head + 1) * headDim, gain: 1 });
  }
  return [...order, allRows(`layers.${layer}.v`, kvHeads * headDim)];
}
