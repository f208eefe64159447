import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import { ServingError } from '../../../../services/lib/errors/serving-error.js';
import { cacheDirectory } from '../../../bootstrap/cache.mjs';

/** The path of a program on the PATH or in the cache's bin folder; throws `invalid_config` when it is in neither. */
export function findProgram(name: string): string {
  const folders = [...(process.env['PATH'] ?? '').split(delimiter), join(cacheDirectory(), 'bin')];
  const found = folders.map((folder) => join(folder, name)).find(isExecutable);
  if (found !== undefined) return found;
  throw new ServingError('invalid_config', `there is no ${name} to compare with`, {
    hint: `put ${name} on the PATH or into ${join(cacheDirectory(), 'bin')}`,
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
