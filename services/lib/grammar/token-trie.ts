/** What a trie has to know of a tokenizer. */
export interface TokenSource {
  /** One more than the highest token id. */
  readonly vocabularySize: number;
  bytesOf(id: number): Uint8Array;
  isSpecial(id: number): boolean;
}

/**
 * The tokens of a vocabulary by their bytes: the nodes in the order of a walk, each with where its subtree ends, so
 * that a walk is a loop over arrays. Node 0 is the root. Arrays and nothing else, so a thread can make it for another: it
 * takes some 300 ms.
 */
export interface TokenTrie {
  /** Rows of the logits: the bits of a mask. */
  readonly rows: number;
  /** Bytes of the longest token. */
  readonly longest: number;
  /** By node: the byte that leads to it, how many there are, and the first node that is not below it. */
  readonly byte: Uint8Array;
  readonly depth: Uint16Array;
  readonly end: Int32Array;
  /** The tokens that end at a node are `tokens[from[node]]` to `tokens[from[node + 1] - 1]`. */
  readonly from: Int32Array;
  readonly tokens: Int32Array;
  /** By node: the one above it. */
  readonly parent: Int32Array;
  /** By token: the node at which it ends; the root for one that no text has. */
  readonly nodeOf: Int32Array;
}

/** Longer ones are left out: there are some of kilobytes of spaces. */
const LONGEST = 1_024;

/**
 * Left out are tokens without bytes, those that have no row in the logits, and special ones, but for those that are
 * shown: a marker of a model's tool calls is text to a grammar, however many tokens it takes.
 */
export function createTokenTrie(
  tokenizer: TokenSource,
  rows: number,
  shown: ReadonlySet<number> = new Set(),
): TokenTrie {
  const entries: { readonly key: string; readonly id: number }[] = [];
  for (let id = 0; id < Math.min(tokenizer.vocabularySize, rows); id++) {
    const bytes = tokenizer.isSpecial(id) && !shown.has(id) ? NONE : tokenizer.bytesOf(id);
    // A character for each byte: engines sort and compare strings faster than arrays.
    if (bytes.length > 0 && bytes.length <= LONGEST) entries.push({ key: String.fromCharCode(...bytes), id });
  }
  entries.sort((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : a.id - b.id));

  const nodes = { byte: [0], depth: [0], end: [0], from: [0], parent: [0] };
  const nodeOf = new Int32Array(rows);
  const path = [0];
  let before = '';
  for (const [index, { key, id }] of entries.entries()) {
    let common = 0;
    while (common < before.length && key[common] === before[common]) common += 1;
    close(nodes.end, path, common, nodes.byte.length);
    for (let at = common; at < key.length; at++) {
      nodes.parent.push(path[at]!);
      path.push(nodes.byte.length);
      nodes.byte.push(key.charCodeAt(at));
      nodes.depth.push(at + 1);
      nodes.end.push(0);
      nodes.from.push(index);
    }
    nodeOf[id] = path[key.length]!;
    before = key;
  }
  close(nodes.end, path, -1, nodes.byte.length);
  nodes.from.push(entries.length);

  return {
    rows,
    longest: nodes.depth.reduce((longest, depth) => Math.max(longest, depth), 0),
    byte: Uint8Array.from(nodes.byte),
    depth: Uint16Array.from(nodes.depth),
    end: Int32Array.from(nodes.end),
    from: Int32Array.from(nodes.from),
    tokens: Int32Array.from(entries, ({ id }) => id),
    parent: Int32Array.from(nodes.parent),
    nodeOf,
  };
}

/** Empty for an id that no text has. */
export function bytesOfToken({ byte, depth, parent, nodeOf }: TokenTrie, id: number): Uint8Array {
  let node = nodeOf[id] ?? 0;
  const bytes = new Uint8Array(depth[node]!);
  for (let at = bytes.length - 1; at >= 0; at--) {
    bytes[at] = byte[node]!;
    node = parent[node]!;
  }
  return bytes;
}

/** What can be handed over to another thread. */
export const buffersOf = (trie: TokenTrie): ArrayBuffer[] =>
  Object.values(trie).flatMap((value: unknown) =>
    ArrayBuffer.isView(value) ? (value.buffer as ArrayBuffer) : [],
  );

const NONE = new Uint8Array();

/** The nodes of the path that are deeper than this have nothing more below them. */
function close(end: number[], path: number[], depth: number, next: number): void {
  while (path.length > depth + 1) end[path.pop()!] = next;
}
