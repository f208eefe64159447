import { randomBytes } from 'node:crypto';

/** What comes after an id, the oldest first; all that is kept, and `missed`, where that cannot be told. */
export interface News<Item> {
  readonly items: readonly Item[];
  /** The id was another process's, or none, or so old that what came after it is no longer kept. */
  readonly missed: boolean;
}

/** The last things that have happened, each with an id: who names the last one that it has is given those after it. */
export class NumberedRing<Item> {
  readonly #capacity: number;
  /** Another one for each process, so that ids of an earlier one are not taken for ours. */
  readonly #epoch = randomBytes(4).toString('hex');
  readonly #items: Item[] = [];
  #count = 0;

  constructor(capacity: number) {
    this.#capacity = capacity;
  }

  /** The oldest first. */
  get items(): readonly Item[] {
    return this.#items;
  }

  /** Of what came last: who has all that has come has this. */
  get lastId(): string {
    return this.#idOf(this.#count);
  }

  /** `make` is told the id of what it makes. */
  add(make: (id: string) => Item): Item {
    const item = make(this.#idOf(++this.#count));
    this.#items.push(item);
    if (this.#items.length > this.#capacity) this.#items.shift();
    return item;
  }

  after(id: string | undefined): News<Item> {
    const [epoch, number] = (id ?? '').split('-');
    const newer = this.#count - Number(number);
    const isOurs = epoch === this.#epoch && Number.isInteger(newer) && newer >= 0;
    if (!isOurs || newer > this.#items.length) return { items: this.#items, missed: true };
    return { items: this.#items.slice(this.#items.length - newer), missed: false };
  }

  #idOf(number: number): string {
    return `${this.#epoch}-${number}`;
  }
}
