import { compileConstraint, type CompiledConstraint, type Matcher } from '../../lib/grammar/matcher.js';
import type { TokenTrie } from '../../lib/grammar/token-trie.js';
import type { Constraint } from '../../lib/sampling/params.js';

/** What is kept of grammars that nobody uses now; those in use are counted, and stay with their sequences anyway. */
const MOST = { grammars: 64, bytes: 32 << 20 };

/** The grammars that sequences have asked for lately, each compiled once over the model's vocabulary. */
export class Constraints {
  readonly #trie: TokenTrie;
  /** By digest, in the order in which they were last asked for. */
  readonly #compiled = new Map<string, CompiledConstraint>();

  constructor(trie: TokenTrie) {
    this.#trie = trie;
  }

  /** Grammars that are kept. */
  get size(): number {
    return this.#compiled.size;
  }

  /** Follows one sequence. Throws `invalid_grammar`. */
  matcher({ source, digest }: Constraint): Matcher {
    const compiled = this.#compiled.get(digest) ?? compileConstraint(source, this.#trie);
    this.#compiled.delete(digest);
    this.#compiled.set(digest, compiled);
    this.#forget();
    return compiled.matcher();
  }

  /** They grow while they are used, so their size is looked at anew. */
  #forget(): void {
    let bytes = [...this.#compiled.values()].reduce((sum, each) => sum + each.bytes, 0);
    for (const [digest, each] of this.#compiled) {
      if (this.#compiled.size <= MOST.grammars && bytes <= MOST.bytes) return;
      this.#compiled.delete(digest);
      bytes -= each.bytes;
    }
  }
}
