import type { KvBatch } from '../../../services/lib/engine/kv/kv-cache.js';
import type { KvLayout } from '../../../services/lib/engine/kv/kv-layout.js';

/** The first `length` rows of a head that a batch's member has in a plane, `[length * headDim]`, as numbers again. */
export function cachedRows(
  { arena, firstSlot, members }: KvBatch,
  { precision, shape: { kvHeads, headDim } }: KvLayout,
  place: { readonly plane: number; readonly member: number; readonly head: number; readonly length: number },
): number[] {
  const { plane, member, head, length } = place;
  const [levels, scales] = arena.view(plane, firstSlot, members.length);
  const first = member * kvHeads + head;
  const areTransposed = precision === 'int8' && plane % 2 === 0;
  return Array.from({ length: length * headDim }, (_, index) => {
    const [row, column] = [Math.floor(index / headDim), index % headDim];
    const at = areTransposed
      ? (first * headDim + column) * arena.bucket + row
      : (first * arena.bucket + row) * headDim + column;
    const scale = scales === undefined ? 1 : scales[first * arena.bucket + row]!;
    return levels![at]! * scale;
  });
}
