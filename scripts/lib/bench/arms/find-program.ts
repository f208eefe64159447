import { ServingError } from '../../../../services/lib/errors/serving-error.js';
import { installedProgram, programFolder } from '../../installed-program.js';

/** The path of a program on the PATH or in the cache's bin folder; throws `invalid_config` when it is in neither. */
export function findProgram(name: string): string {
  const found = installedProgram(name);
  if (found !== null) return found;
  throw new ServingError('invalid_config', `there is no ${name} to compare with`, {
    hint: `put ${name} on the PATH or into ${programFolder()}`,
  });
}
