// @ts-check
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { digestOf } from './digest.mjs';
import { SetupError } from './setup-error.mjs';
import { runStep } from './step.mjs';
import { runTool } from './tool.mjs';

/**
 * What npm could not do without a package that this platform may not even need: `npm ci` gives up where
 * `npm install` leaves optional packages out.
 */
const OPTIONAL_PACKAGE_MISSING = /\b(E404|E403|EUSAGE|ETARGET|EBADPLATFORM)\b/;

/**
 * Installs the packages of package-lock.json unless they are there. Interrupted, it starts again the next time,
 * because the stamp is written last (and `npm ci` begins by removing node_modules, with the stamp in it).
 * @param {string} root
 */
export async function ensureInstalled(root) {
  if (isInstalled(root)) return;
  await runStep('npm packages', async (update) => {
    update('npm ci');
    // Versions and digests are in the lockfile: what is in npm's cache need not be asked for again.
    const ci = await npm(root, ['ci', '--prefer-offline']);
    if (ci.code !== 0) {
      if (!OPTIONAL_PACKAGE_MISSING.test(ci.output)) throw failed(ci.output);
      update('npm install');
      const install = await npm(root, ['install', '--no-save']);
      if (install.code !== 0) throw failed(install.output);
    }
    writeFileSync(stampPath(root), lockDigest(root));
    update('installed');
  });
}

/**
 * True when the last complete install was of this package-lock.json, or when npm's own record of node_modules
 * lists every package that it asks for here (somebody ran npm by hand).
 * @param {string} root
 */
export function isInstalled(root) {
  const stamp = stampPath(root);
  if (existsSync(stamp)) return readFileSync(stamp, 'utf8') === lockDigest(root);
  const recordPath = join(root, 'node_modules', '.package-lock.json');
  if (!existsSync(recordPath)) return false;
  const record = readPackages(recordPath);
  return Object.entries(readPackages(join(root, 'package-lock.json'))).every(
    ([path, entry]) => path === '' || entry.optional || record[path]?.version === entry.version,
  );
}

/** @typedef {{ version?: string, optional?: boolean }} LockEntry */

/**
 * @param {string} path
 * @returns {Record<string, LockEntry>}
 */
const readPackages = (path) => JSON.parse(readFileSync(path, 'utf8')).packages;

/** @param {string} root */
const stampPath = (root) => join(root, 'node_modules', '.layermesh-installed');

/** @param {string} root */
const lockDigest = (root) => digestOf(readFileSync(join(root, 'package-lock.json')));

/** @param {string} output */
function failed(output) {
  const line = output.split('\n').find((text) => text.startsWith('npm error')) ?? 'npm failed';
  return new SetupError(
    'install_failed',
    line,
    'check the network and the registry of npm, then run it again',
  );
}

/**
 * @param {string} root
 * @param {string[]} args
 */
function npm(root, args) {
  // Within `npm run` this is the npm that runs; it need not be on the PATH.
  const cli = process.env['npm_execpath'];
  const [program, ...prefix] = cli?.endsWith('.js') ? [process.execPath, cli] : ['npm'];
  const quiet = ['--include=dev', '--include=optional', '--no-audit', '--no-fund', '--loglevel=error'];
  return runTool(program, [...prefix, ...args, ...quiet], { cwd: root });
}
