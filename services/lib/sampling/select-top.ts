/**
 * The fewest highest-ranked ids whose weights together reach `target`, in the order in which they came; all of
 * them if they do not reach it. A higher logit ranks higher, and of equal ones the lower id, so the answer
 * is unique. Top-k weighs each id 1, top-p by its probability.
 *
 * A weighted quickselect: each round splits what is left by a pivot and keeps the side that holds the
 * boundary. Expected time is linear where a sort of a vocabulary would be n log n.
 */
export function selectTop(
  ids: Int32Array,
  logits: Float32Array,
  weightOf: (id: number) => number,
  target: number,
): Int32Array {
  const lowest = lowestKept(ids.slice(), logits, weightOf, target);
  if (lowest === undefined) return ids;
  return ids.filter((id) => !outranks(logits, lowest, id));
}

const outranks = (logits: Float32Array, a: number, b: number): boolean =>
  logits[a]! > logits[b]! || (logits[a] === logits[b] && a < b);

/** Reorders `ids`. */
function lowestKept(
  ids: Int32Array,
  logits: Float32Array,
  weightOf: (id: number) => number,
  target: number,
): number | undefined {
  let [start, end, missing] = [0, ids.length, target];
  while (start < end) {
    const middle = (start + end) >> 1;
    const pivot = ids[middle]!;
    ids[middle] = ids[start]!;

    let above = start;
    let weight = 0;
    for (let next = start + 1; next < end; next += 1) {
      const id = ids[next]!;
      if (!outranks(logits, id, pivot)) continue;
      weight += weightOf(id);
      ids[next] = ids[above + 1]!;
      ids[above] = id;
      above += 1;
    }

    if (weight >= missing) {
      end = above;
    } else {
      missing -= weight + weightOf(pivot);
      if (missing <= 0) return pivot;
      start = above + 1;
    }
  }
  return undefined;
}
