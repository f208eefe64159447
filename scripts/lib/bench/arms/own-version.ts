import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { repositoryRoot } from '../../repository.js';

/** Version of this package and, in a clone, its commit; `-dirty` where that is not what was measured. */
export function ownVersion(): string {
  const { version } = JSON.parse(readFileSync(join(repositoryRoot, 'package.json'), 'utf8')) as {
    version: string;
  };
  try {
    const describe = ['describe', '--always', '--dirty', '--exclude', '*'];
    const commit = execFileSync('git', describe, {
      cwd: repositoryRoot,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    return `layermesh ${version} (${commit.trim()})`;
  } catch {
    return `layermesh ${version}`;
  }
}
