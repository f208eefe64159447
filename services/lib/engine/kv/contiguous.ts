/**
 * The cheapest way to make `slots` (distinct, of `[0, used)`) neighbours: the window that holds most of them
 * already, and the exchanges that bring the others in.
 */
export function contiguous(
  slots: readonly number[],
  used: number,
): { first: number; swaps: (readonly [number, number])[] } {
  const size = slots.length;
  const chosen = new Uint8Array(used);
  for (const slot of slots) chosen[slot] = 1;

  let inside = 0;
  let best = -1;
  let first = 0;
  for (let end = 0; end < used; end++) {
    inside += chosen[end]! - (end >= size ? chosen[end - size]! : 0);
    if (end >= size - 1 && inside > best) {
      best = inside;
      first = end - size + 1;
    }
  }

  const swaps: (readonly [number, number])[] = [];
  const outside = slots.filter((slot) => slot < first || slot >= first + size);
  for (let slot = first; slot < first + size; slot++) {
    if (chosen[slot] === 0) swaps.push([outside.pop()!, slot]);
  }
  return { first, swaps };
}
