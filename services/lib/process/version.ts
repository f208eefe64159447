import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** Of Layermesh, as package.json has it, which stands above the sources as well as above what is compiled. */
export const VERSION = versionAbove(import.meta.dirname);

function versionAbove(folder: string): string {
  const path = join(folder, 'package.json');
  if (!existsSync(path)) return versionAbove(dirname(folder));
  return (JSON.parse(readFileSync(path, 'utf8')) as { readonly version: string }).version;
}
