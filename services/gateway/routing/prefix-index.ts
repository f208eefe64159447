/** Names remembered of one replica: those of a million tokens. */
const MAX_NAMES = 32_768;
/** And of all of them together. */
const MAX_IN_ALL = 32 * MAX_NAMES;

/**
 * Which blocks of prompts (`model/prefix-blocks.ts`) each replica is believed to hold, for the router. No more
 * than a belief: a replica evicts as it must, and what it really holds is settled by `Open`. It outlives links: a
 * replica whose sidecar is gone for a moment comes back with all that it held.
 */
export class PrefixIndex {
  /** By the replica's name; replicas, and of each the names, least recently noted first. */
  readonly #names = new Map<string, Set<string>>();
  #inAll = 0;

  /** How many blocks of a sequence's beginning a replica holds. */
  held(replica: string, names: readonly string[]): number {
    const known = this.#names.get(replica);
    if (known === undefined) return 0;
    const missing = names.findIndex((name) => !known.has(name));
    return missing === -1 ? names.length : missing;
  }

  /** A replica holds the first `held` of these blocks, and no more of them. */
  note(replica: string, names: readonly string[], held: number): void {
    const known = this.#names.get(replica) ?? new Set();
    this.#inAll -= known.size;
    this.#names.delete(replica);
    this.#names.set(replica, known);
    for (const name of names) known.delete(name);
    // The first block last, as the replica does: it outlives those that follow it.
    for (let index = held - 1; index >= 0; index--) known.add(names[index]!);
    for (const oldest of known) {
      if (known.size <= MAX_NAMES) break;
      known.delete(oldest);
    }
    this.#inAll += known.size;
    for (const [longestAgo, { size }] of this.#names) {
      if (this.#inAll <= MAX_IN_ALL) break;
      this.#names.delete(longestAgo);
      this.#inAll -= size;
    }
  }
}
