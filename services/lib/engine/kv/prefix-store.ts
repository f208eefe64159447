/**
 * The keys and values of finished sequences, in blocks by name (`model/prefix-blocks.ts`), the least recently
 * used evicted first. Sequences that begin alike share their blocks.
 *
 * A block is always more recently used than those that follow it in a sequence. So a block is never evicted
 * before them, and what is held of a sequence is always its beginning.
 */
export class PrefixStore<Block> {
  readonly #capacity: number;
  readonly #emptyBlock: () => Block;
  /** Least recently used first. */
  readonly #blocks = new Map<string, Block>();

  /** `capacity` in blocks. */
  constructor(capacity: number, emptyBlock: () => Block) {
    this.#capacity = capacity;
    this.#emptyBlock = emptyBlock;
  }

  /** The blocks that are held of a sequence's beginning; they are valid until the next `keep`. */
  find(names: readonly string[]): Block[] {
    const held: Block[] = [];
    for (const name of names) {
      const rows = this.#blocks.get(name);
      if (rows === undefined) break;
      held.push(rows);
    }
    for (let index = held.length - 1; index >= 0; index--) this.#use(names[index]!, held[index]!);
    return held;
  }

  /** Keeps the blocks of a sequence's beginning, as many as fit. `copy` fills those that are not held yet. */
  keep(names: readonly string[], copy: (index: number, block: Block) => void): void {
    const kept = names.slice(0, this.#capacity);
    const held = this.find(kept); // And so none of them is evicted for the others.
    for (let index = kept.length - 1; index >= 0; index--) {
      const rows = held[index] ?? this.#room();
      if (index >= held.length) copy(index, rows);
      this.#use(kept[index]!, rows);
    }
  }

  #use(name: string, block: Block): void {
    this.#blocks.delete(name);
    this.#blocks.set(name, block);
  }

  /** A new block, or the one that is evicted for it. */
  #room(): Block {
    if (this.#blocks.size < this.#capacity) return this.#emptyBlock();
    const [oldest, rows] = this.#blocks.entries().next().value!;
    this.#blocks.delete(oldest);
    return rows;
  }
}
