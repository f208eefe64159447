import type { AskedForm } from '../../lib/openai/fields/constraints.js';
import type { TextWork } from './text-work.js';

/** Programs send the same few schemas again and again. */
const MAX_SOURCES = 256;
/** Characters of forms and sources together. */
const MAX_CHARACTERS = 16 << 20;

/** Forms as the sources of constraints, converted by the text workers; those asked for last are remembered. */
export class ConstraintSources {
  readonly #work: Pick<TextWork, 'run'>;
  readonly #sources = new Map<string, string>();
  #characters = 0;

  constructor(work: Pick<TextWork, 'run'>) {
    this.#work = work;
  }

  /** Rejects as `TextWork.run` does, with the field as `param` where the form is none. */
  async of({ form, param }: AskedForm, signal: AbortSignal): Promise<string> {
    const key = JSON.stringify(form);
    const source =
      this.#take(key) ?? (await this.#work.run({ kind: 'constraint', form, param }, signal)).text;
    // Another request for the same may have come back meanwhile.
    this.#take(key);
    this.#sources.set(key, source);
    this.#characters += key.length + source.length;
    while (this.#sources.size > MAX_SOURCES || this.#characters > MAX_CHARACTERS) {
      this.#take(this.#sources.keys().next().value!);
    }
    return source;
  }

  #take(key: string): string | undefined {
    const source = this.#sources.get(key);
    if (source === undefined) return undefined;
    this.#sources.delete(key);
    this.#characters -= key.length + source.length;
    return source;
  }
}
