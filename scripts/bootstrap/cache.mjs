// @ts-check
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';

/** Where everything lives that is fetched, built or prepared once per user. */
export function cacheDirectory() {
  const chosen = process.env['LAYERMESH_CACHE'];
  return chosen ? resolve(chosen) : join(homedir(), '.cache', 'layermesh');
}
