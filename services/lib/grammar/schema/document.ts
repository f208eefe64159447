import { limits } from '../limits.js';
import { isRecord, unsupportedSchema, type Json, type Located } from './facts.js';

/** One JSON schema with its definitions: finds what a `$ref` names in it. */
export class SchemaDocument {
  readonly root: Located;
  /** The names that `$id` gives the document itself. */
  readonly #own: string | null;
  #anchors: ReadonlyMap<string, Located> | null = null;

  /** Throws `unsupported_schema` for what is no schema, is too large or nested too deeply. */
  constructor(schema: unknown) {
    if (typeof schema !== 'boolean' && !isRecord(schema))
      throw unsupportedSchema('', 'a schema is an object');
    requireSmall(schema);
    this.root = { schema, pointer: '' };
    this.#own = isRecord(schema) && typeof schema['$id'] === 'string' ? schema['$id'] : null;
  }

  /** Throws `unsupported_schema` for what is not in the document. */
  resolve(ref: string, from: string): Located {
    const [base, fragment = ''] = ref.split('#', 2) as [string, string?];
    if (base !== '' && base !== this.#own)
      throw unsupportedSchema(from, `$ref ${JSON.stringify(ref)} is outside of the schema`);
    const found = fragment === '' || fragment.startsWith('/') ? this.#at(fragment) : this.#anchored(fragment);
    if (found === null) throw unsupportedSchema(from, `$ref ${JSON.stringify(ref)} names nothing`);
    return found;
  }

  #at(fragment: string): Located | null {
    let { schema, pointer } = this.root;
    for (const step of fragment.split('/').slice(1)) {
      const name = unescape(step);
      if (!isObject(schema) || !Object.hasOwn(schema, name)) return null;
      // The names of an array's items are their indices.
      schema = (schema as Readonly<Record<string, Json>>)[name]!;
      pointer = below(pointer, name);
    }
    return { schema, pointer };
  }

  #anchored(name: string): Located | null {
    this.#anchors ??= new Map(
      [...everything(this.root.schema)].flatMap(({ value, pointer }) => {
        const anchor = isRecord(value) ? value['$anchor'] : undefined;
        return typeof anchor === 'string' ? [[anchor, { schema: value, pointer }] as const] : [];
      }),
    );
    return this.#anchors.get(name) ?? null;
  }
}

const isObject = (value: unknown): value is object => typeof value === 'object' && value !== null;

/** The pointer of a part. */
export const below = (pointer: string, ...steps: readonly (string | number)[]): string =>
  steps.reduce<string>(
    (sum, step) => `${sum}/${String(step).replaceAll('~', '~0').replaceAll('/', '~1')}`,
    pointer,
  );

function unescape(step: string): string {
  let plain = step;
  try {
    plain = decodeURIComponent(step);
  } catch {
    // A percent sign that is one.
  }
  return plain.replaceAll('~1', '/').replaceAll('~0', '~');
}

/** All values of a document, without a call for each level. */
function* everything(
  root: Json,
): Generator<{ readonly value: Json; readonly pointer: string; readonly depth: number }> {
  const waiting = [{ value: root, pointer: '', depth: 0 }];
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    yield next;
    if (!isObject(next.value)) continue;
    for (const [name, value] of Object.entries(next.value)) {
      waiting.push({ value, pointer: below(next.pointer, name), depth: next.depth + 1 });
    }
  }
}

function requireSmall(schema: Json): void {
  for (const { depth, pointer } of everything(schema)) {
    if (depth > limits.schemaDepth)
      throw unsupportedSchema(pointer.slice(0, 80), `nested more than ${limits.schemaDepth} deep`);
  }
  const { length } = JSON.stringify(schema);
  if (length > limits.text)
    throw unsupportedSchema('', `${length} characters, of which a schema may have ${limits.text}`);
}
