import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Ajv2020 } from 'ajv/dist/2020.js';
import type { Manifest } from '../../scripts/lib/k8s/objects.js';

interface Schemas {
  readonly $defs: object;
  readonly kinds: Readonly<Record<string, object>>;
}

const file = join(import.meta.dirname, '..', 'fixtures', 'kubernetes-schemas.json');
const { $defs, kinds } = JSON.parse(readFileSync(file, 'utf8')) as Schemas;
const ajv = new Ajv2020({ strict: false, allErrors: true });
ajv.addSchema({ $id: 'schema:kubernetes', $defs });
for (const [kind, schema] of Object.entries(kinds)) ajv.addSchema(schema, kind);

/** What is wrong with an object by the schema of its kind, or that there is none. */
export function schemaProblems(object: Manifest): string[] {
  const kind = `${object.apiVersion} ${object.kind}`;
  const validate = ajv.getSchema(kind);
  if (validate === undefined) return [`${kind}: no schema`];
  if (validate(object) === true) return [];
  return (validate.errors ?? []).map(
    ({ instancePath, message, params }) =>
      `${object.kind} ${object.metadata.name}${instancePath} ${message ?? ''} ${JSON.stringify(params)}`,
  );
}
