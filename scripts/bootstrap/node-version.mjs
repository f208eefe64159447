// @ts-check
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { SetupError } from './setup-error.mjs';

/**
 * Throws `node_too_old` unless this Node satisfies `engines` of package.json, which is of the form `>=A.B`.
 * @param {string} root
 * @param {string} version
 */
export function requireNode(root, version = process.versions.node) {
  /** @type {{ engines: { node: string } }} */
  const { engines } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  const wanted = engines.node.replace('>=', '');
  if (isAtLeast(version, wanted)) return;
  throw new SetupError('node_too_old', `Node ${version} runs this`, `install Node ${wanted} or newer`);
}

/**
 * Compares dotted numbers, such as `20.19.0` and `20.19`.
 * @param {string} version
 * @param {string} wanted
 */
export function isAtLeast(version, wanted) {
  const have = version.split('.').map(Number);
  for (const [index, part] of wanted.split('.').map(Number).entries()) {
    const difference = (have[index] ?? 0) - part;
    if (difference !== 0) return difference > 0;
  }
  return true;
}
