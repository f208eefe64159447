/**
 * How a request ended: answered as it had to be; refused as it had to be, for what it was or for the flood it was part
 * of; left by its own client; failed though its client did nothing for it; or answered with another text.
 */
export type Ending = 'answered' | 'refused' | 'left' | 'failed' | 'changed';

/** What became of the requests of one kind. */
export type Endings = Readonly<Record<Ending, number>> & {
  readonly kind: string;
  /** Why some failed or what changed, the first few of them. */
  readonly reasons: readonly string[];
};

const MOST_REASONS = 8;
const NONE: Readonly<Record<Ending, number>> = { answered: 0, refused: 0, left: 0, failed: 0, changed: 0 };

/** Counts how requests end. */
export class Ledger {
  readonly #kinds = new Map<string, Endings>();

  add(kind: string, ending: Ending, reason?: string): void {
    const known = this.#kinds.get(kind) ?? { kind, ...NONE, reasons: [] };
    const isNew =
      reason !== undefined && known.reasons.length < MOST_REASONS && !known.reasons.includes(reason);
    this.#kinds.set(kind, {
      ...known,
      [ending]: known[ending] + 1,
      reasons: isNew ? [...known.reasons, reason] : known.reasons,
    });
  }

  get endings(): Endings[] {
    return [...this.#kinds.values()];
  }
}
