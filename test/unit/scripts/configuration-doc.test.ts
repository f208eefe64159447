import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { repositoryRoot } from '../../../scripts/lib/repository.js';
import { upCommand } from '../../../scripts/lib/local/up-options.js';

const doc = readFileSync(join(repositoryRoot, 'docs', 'configuration.md'), 'utf8');
const documented = new Set([...doc.matchAll(/^\| `(LAYERMESH_\w+)`/gm)].map(([, name]) => name!));

const read = new Set(
  readdirSync(join(repositoryRoot, 'services'), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts'))
    .map((name) => readFileSync(join(repositoryRoot, 'services', name), 'utf8'))
    .flatMap((text) => [...text.matchAll(/\(\s*'(LAYERMESH_\w+)'/g)].map(([, name]) => name!)),
);

describe('docs/configuration.md', () => {
  it('lists the variables that the services read, and no others', () => {
    expect(read.size).toBeGreaterThan(10);
    expect([...documented].sort()).toEqual([...read].sort());
  });

  it('lists every flag of up', () => {
    const flags = upCommand(() => Promise.resolve()).options.map(({ long }) => long!);
    expect(flags.filter((flag) => !doc.includes(`| \`${flag}`))).toEqual([]);
  });
});
