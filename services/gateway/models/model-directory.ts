import { ServingError } from '../../lib/errors/serving-error.js';
import type { ServedModel } from '../../lib/openai/served-model.js';
import type { Serving } from './serving.js';

interface Named {
  readonly model: Pick<ServedModel, 'id' | 'aliases'>;
}

/** What a client may say that knows no model, or does not care. */
const ANY = 'default';
/** Ollama's clients name the newest of a model by this tag; here there is one of each. */
const NEWEST = /:latest$/;

export const namesOf = ({ model }: Named): string[] => [model.id, ...model.aliases];

/** The models of a gateway, by each of their names. The first is meant wherever none is named. */
export class ModelDirectory<Each extends Named = Serving> {
  readonly all: readonly Each[];
  readonly first: Each;
  readonly #named = new Map<string, Each>();

  /** Throws `invalid_config` for a name that two of them have. */
  constructor(first: Each, ...others: readonly Each[]) {
    this.first = first;
    this.all = [first, ...others];
    for (const each of this.all) {
      for (const name of namesOf(each)) {
        if (this.#named.has(name)) {
          throw new ServingError('invalid_config', `two models are called ${JSON.stringify(name)}`, {
            hint: 'give each a name of its own: LAYERMESH_MODEL_NAME, LAYERMESH_MODEL_ALIASES',
          });
        }
        this.#named.set(name, each);
      }
    }
  }

  /** Null for the name of none. */
  find(name: string | null | undefined): Each | null {
    if (name === null || name === undefined) return this.first;
    const plain = name.replace(NEWEST, '');
    return this.#named.get(name) ?? this.#named.get(plain) ?? (plain === ANY ? this.first : null);
  }
}
