import { existsSync } from 'node:fs';
import { resolve } from 'node:path';

/**
 * A path as the user meant it: npm runs commands in the repository, wherever the user stands, and tells in INIT_CWD
 * where that is.
 */
export function callerPath(path: string): string {
  return resolve(process.env['INIT_CWD'] ?? '', path);
}

/** A model's path as the user meant it; what is neither there nor looks like a path is a Hub id, and stays as it is. */
export function callerModel(model: string): string {
  const path = callerPath(model);
  return existsSync(path) || /^[./]|^[^:]+\.gguf$/.test(model) ? path : model;
}
