export interface Piece {
  readonly text: string;
  readonly score: number;
}

/**
 * The merge list of a SentencePiece BPE vocabulary, which keeps scores instead: every way to put a piece
 * together from two others, best-scored piece first. (SentencePiece merges the adjacent pair whose union
 * scores highest; a merge list says the same by its order.)
 */
export function sentencePieceMerges(pieces: readonly Piece[]): [string, string][] {
  const order = new Map(pieces.map(({ text }, index) => [text, index]));
  const byScore = pieces.toSorted((a, b) => b.score - a.score);
  return byScore.flatMap(({ text }) => splits(text, order));
}

/** The splits of a piece into two known pieces, those with the earlier-learnt parts first. */
function splits(text: string, order: ReadonlyMap<string, number>): [string, string][] {
  const found: { left: number; right: number; pair: [string, string] }[] = [];
  let at = 0;
  for (const character of text) {
    at += character.length;
    const pair: [string, string] = [text.slice(0, at), text.slice(at)];
    const left = order.get(pair[0]);
    const right = order.get(pair[1]);
    if (left !== undefined && right !== undefined) found.push({ left, right, pair });
  }
  return found.sort((a, b) => a.left - b.left || a.right - b.right).map(({ pair }) => pair);
}
