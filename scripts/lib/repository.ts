import { accessSync, constants, existsSync, renameSync, writeFileSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { ServingError } from '../../services/lib/errors/serving-error.js';
import { cacheDirectory } from '../bootstrap/cache.mjs';

/** The folder of package.json, seen from the sources as well as from dist/. */
export const repositoryRoot = nearestPackage(import.meta.dirname);

function nearestPackage(directory: string): string {
  return existsSync(join(directory, 'package.json')) ? directory : nearestPackage(dirname(directory));
}

/** Writes a file under another name and renames it, so that nobody takes half of it for the whole. */
export function writeWhole(path: string, content: string, mode?: number): void {
  writeFileSync(`${path}.unfinished`, content, { mode });
  renameSync(`${path}.unfinished`, path);
}

/** The cache's own folder of programs, which is looked in after the PATH. */
export const programFolder = (): string => join(cacheDirectory(), 'bin');

/** The path of the first of these programs that is on the PATH or in the cache; null when none is. */
export function installedProgram(...names: readonly string[]): string | null {
  const folders = [...(process.env['PATH'] ?? '').split(delimiter), programFolder()];
  const paths = names.flatMap((name) => folders.map((folder) => join(folder, name)));
  return paths.find(isExecutable) ?? null;
}

/** As `installedProgram`; throws `invalid_config` when it is in neither place. */
export function requiredProgram(name: string): string {
  const found = installedProgram(name);
  if (found !== null) return found;
  throw new ServingError('invalid_config', `there is no ${name}`, {
    hint: `put ${name} on the PATH or into ${programFolder()}`,
  });
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
