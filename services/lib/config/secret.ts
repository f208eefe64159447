import { createHash, timingSafeEqual } from 'node:crypto';

/** A value that must not be read by others: printed, logged or made JSON of, it is `[secret]`. */
export class Secret {
  readonly #value: string;

  constructor(value: string) {
    this.#value = value;
  }

  reveal(): string {
    return this.#value;
  }

  /** Takes as long whatever differs. */
  equals(shown: string): boolean {
    return timingSafeEqual(digest(this.#value), digest(shown));
  }

  toJSON(): string {
    return '[secret]';
  }

  toString(): string {
    return this.toJSON();
  }
}

const digest = (text: string): Buffer => createHash('sha256').update(text).digest();
