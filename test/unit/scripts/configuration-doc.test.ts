import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { VARIABLES } from '../../../services/lib/config/gateway-variables.js';
import { repositoryRoot } from '../../../scripts/lib/repository.js';
import { upCommand } from '../../../scripts/lib/local/up-options.js';

const doc = readFileSync(join(repositoryRoot, 'docs', 'configuration.md'), 'utf8');

/** Of each row of the table of variables, its cells. */
const rows = doc
  .split('\n')
  .filter((line) => line.startsWith('| `LAYERMESH_'))
  .map((line) => line.split(/(?<!\\)\|/).map((cell) => cell.trim().replaceAll('\\|', '|')))
  .map(([, ...cells]) => cells.slice(0, 4));

/** By name, who reads a variable and how; what both services read is not that of either. */
const variables = new Map(
  Object.entries(VARIABLES)
    .toReversed()
    .flatMap(([readers, schemas]) =>
      Object.entries(schemas).map(([name, schema]) => [name, { readers, schema }] as const),
    ),
);

/** The default as the table shows it. */
function defaultOf(schema: z.ZodType): string {
  const { shown } = schema.meta() ?? {};
  if (typeof shown === 'string') return shown;
  if (schema instanceof z.ZodOptional) return 'none';
  if (!(schema instanceof z.ZodDefault)) return 'must be set';
  const value = schema.def.defaultValue;
  if (typeof value === 'number') return String(value);
  return typeof value === 'string' ? `\`${value}\`` : 'none';
}

describe('docs/configuration.md', () => {
  it('has the variables of the schema and no others, in its words', () => {
    const expected = [...variables]
      .filter(([name]) => name.startsWith('LAYERMESH_'))
      .map(([name, { readers, schema }]) => [
        `\`${name}\``,
        readers,
        defaultOf(schema),
        schema.description ?? '',
      ]);
    expect(expected.length).toBeGreaterThan(10);
    expect(rows.toSorted()).toEqual(expected.toSorted());
  });

  it('names the variables of others that are read', () => {
    const names = [...variables.keys()].filter((name) => !name.startsWith('LAYERMESH_'));
    expect(names.filter((name) => !doc.includes(`\`${name}`))).toEqual([]);
  });

  it('has them all, for the services read none elsewhere', () => {
    const source = (name: string): string => readFileSync(join(repositoryRoot, 'services', name), 'utf8');
    const readers = readdirSync(join(repositoryRoot, 'services'), { recursive: true, encoding: 'utf8' })
      .filter((name) => name.endsWith('.ts'))
      // What is set for a library is not read.
      .filter((name) => /process\.env(?!\['ORT_DISABLE_TELEMETRY'\] = )/.test(source(name)));
    expect(readers).toEqual([join('lib', 'config', 'config.ts')]);
  });

  it('lists every flag of up', () => {
    const flags = upCommand(() => Promise.resolve()).options.map(({ long }) => long!);
    expect(flags.filter((flag) => !doc.includes(`| \`${flag}`))).toEqual([]);
  });
});
