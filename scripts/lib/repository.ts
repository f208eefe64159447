import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** The folder of package.json, seen from the sources as well as from dist/. */
export const repositoryRoot = nearestPackage(import.meta.dirname);

function nearestPackage(directory: string): string {
  return existsSync(join(directory, 'package.json')) ? directory : nearestPackage(dirname(directory));
}
