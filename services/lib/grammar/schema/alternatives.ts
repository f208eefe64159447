import { limits } from '../limits.js';
import { disjoint } from './disjoint.js';
import { below, type SchemaDocument } from './document.js';
import {
  ANYTHING,
  both,
  isRecord,
  unsupportedSchema,
  type Alternatives,
  type Facts,
  type Json,
  type Located,
} from './facts.js';
import { readKeywords } from './keywords.js';

/** `$ref`, `allOf`, `anyOf` and `oneOf` multiplied out. */
export class Expansion implements Alternatives {
  readonly #document: SchemaDocument;
  readonly #keywords = new Map<string, Facts>();
  #work = 0;

  constructor(document: SchemaDocument) {
    this.#document = document;
  }

  of(schemas: readonly Located[]): readonly Facts[] {
    const all = schemas.map((each) => this.#expand(each, []));
    const closed = schemas.find((_, index) => all[index]!.some((facts) => facts.closed));
    if (schemas.length > 1 && closed !== undefined) throw unsupportedSchema(closed.pointer, CLOSED_PART);
    return all.reduce((found, each, index) => together(found, each, schemas[index]!.pointer), [ANYTHING]);
  }

  spend(): void {
    if ((this.#work += 1) > limits.schemaWork)
      throw unsupportedSchema('', 'the schema is too large in all its combinations');
  }

  /** `path`: the schemas of which this one is a part, of the same value. */
  #expand(located: Located, path: readonly Located[]): readonly Facts[] {
    this.spend();
    const { schema, pointer } = located;
    if (schema === true) return [ANYTHING];
    if (schema === false) return [];
    if (path.some((each) => each.pointer === pointer))
      throw unsupportedSchema(pointer, 'it refers to itself for the same value');
    if (path.length > limits.depth)
      throw unsupportedSchema(pointer, `references more than ${limits.depth} deep`);
    const own = this.#own(located);
    if (own.closed && path.some(saysMore)) throw unsupportedSchema(pointer, CLOSED_PART);
    if (!isRecord(schema)) return [own];
    const inner = (part: Located): readonly Facts[] => this.#expand(part, [...path, located]);
    const parts = listOf(located, 'allOf');
    const reference = schema['$ref'];
    if (reference !== undefined && typeof reference !== 'string')
      throw unsupportedSchema(below(pointer, '$ref'), '$ref is a text');
    if (reference !== undefined) parts.unshift(this.#document.resolve(reference, pointer));
    let found: readonly Facts[] = [own];
    for (const part of parts) found = together(found, inner(part), pointer);
    const any = listOf(located, 'anyOf');
    if (any.length > 0) found = together(found, any.flatMap(inner), pointer);
    const one = listOf(located, 'oneOf');
    if (one.length === 0) return found;
    const branches = one.map((part) => together(found, inner(part), pointer));
    this.#requireDisjoint(branches, below(pointer, 'oneOf'));
    return branches.flat();
  }

  #own(located: Located): Facts {
    const known = this.#keywords.get(located.pointer) ?? readKeywords(located);
    this.#keywords.set(located.pointer, known);
    return known;
  }

  /** Where no two branches can hold at once `oneOf` is `anyOf`. */
  #requireDisjoint(branches: readonly (readonly Facts[])[], pointer: string): void {
    for (const [index, branch] of branches.entries()) {
      for (const other of branches.slice(index + 1)) {
        if (branch.every((a) => other.every((b) => disjoint(a, b, this)))) continue;
        throw unsupportedSchema(
          pointer,
          'oneOf is supported where its branches exclude each other: use anyOf',
        );
      }
    }
  }
}

const CLOSED_PART = 'unevaluatedProperties in a part of a schema is not supported';

/** Whether a schema says more than where the next one is. */
const saysMore = ({ schema }: Located): boolean =>
  isRecord(schema) &&
  ['allOf', 'anyOf', 'oneOf', 'properties', 'additionalProperties'].some((key) => key in schema);

function together(a: readonly Facts[], b: readonly Facts[], pointer: string): readonly Facts[] {
  if (a.length * b.length > limits.alternatives) {
    throw unsupportedSchema(pointer, `unions that multiply to more than ${limits.alternatives} alternatives`);
  }
  return a.flatMap((left) => b.flatMap((right) => both(left, right) ?? []));
}

function listOf({ schema, pointer }: Located, keyword: string): Located[] {
  const list = isRecord(schema) && Object.hasOwn(schema, keyword) ? schema[keyword] : [];
  if (!Array.isArray(list))
    throw unsupportedSchema(below(pointer, keyword), `${keyword} is a list of schemas`);
  return (list as Json[]).map((each, index) => ({ schema: each, pointer: below(pointer, keyword, index) }));
}
