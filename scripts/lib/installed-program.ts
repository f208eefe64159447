import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import { cacheDirectory } from '../bootstrap/cache.mjs';

/** The cache's own folder of programs, which is looked in after the PATH. */
export const programFolder = (): string => join(cacheDirectory(), 'bin');

/** The path of the first of these programs that is on the PATH or in the cache; null when none is. */
export function installedProgram(...names: readonly string[]): string | null {
  const folders = [...(process.env['PATH'] ?? '').split(delimiter), programFolder()];
  const paths = names.flatMap((name) => folders.map((folder) => join(folder, name)));
  return paths.find(isExecutable) ?? null;
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
