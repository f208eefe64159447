// @ts-check
import {
  linkSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { hostname } from 'node:os';
import { dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

const BEAT_MS = 10_000;
const STALE_MS = 60_000;
const POLL_MS = 200;

/**
 * Runs `work` while this process alone holds the lock file; waits for another holder, and takes over from one
 * that has died.
 *
 * @template Result
 * @param {string} path
 * @param {() => Promise<Result>} work
 * @param {{ signal?: AbortSignal | undefined, onWait?: ((owner: string) => void) | undefined }} [options]
 * @returns {Promise<Result>}
 */
export async function withLock(path, work, { signal, onWait } = {}) {
  let release = tryLock(path);
  while (release === null) {
    onWait?.(`${readOwner(path).host} ${readOwner(path).pid}`);
    await sleep(POLL_MS, undefined, { signal });
    release = tryLock(path);
  }
  try {
    return await work();
  } finally {
    release();
  }
}

/**
 * Takes the lock file for this process until the function returned is called, or the process ends; null while
 * another holds it that lives. A holder touches its file, so that one on another machine counts too.
 *
 * @param {string} path
 * @returns {(() => void) | null}
 */
export function tryLock(path) {
  mkdirSync(dirname(path), { recursive: true });
  if (!create(path)) {
    if (!isAbandoned(path)) return null;
    takeOver(path);
    if (!create(path)) return null;
  }
  const beat = setInterval(() => touch(path), BEAT_MS).unref();
  const release = () => {
    clearInterval(beat);
    process.off('exit', release);
    if (readFile(path) === self()) rmSync(path, { force: true });
  };
  process.once('exit', release);
  return release;
}

/**
 * The process on this machine that holds the lock file and lives; null where there is none.
 *
 * @param {string} path
 * @returns {number | null}
 */
export function lockHolder(path) {
  const { host, pid } = readOwner(path);
  return host === hostname() && !isAbandoned(path) ? pid : null;
}

const self = () => `${hostname()} ${process.pid} ${startOf(process.pid)}`;

/** @param {string} path */
function create(path) {
  try {
    writeFileSync(path, self(), { flag: 'wx' });
    return true;
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return false;
    throw error;
  }
}

/**
 * On this machine a holder is known by its pid and the time it was started at, for pids are used again; elsewhere by
 * its beat.
 * @param {string} path
 */
function isAbandoned(path) {
  const { host, pid, start } = readOwner(path);
  if (host === hostname()) return !isAlive(pid) || (start !== '' && start !== startOf(pid));
  return Date.now() - lastBeat(path) > STALE_MS;
}

/**
 * Renaming first lets only one of several waiters remove an abandoned lock. Who comes late has moved the new holder's
 * away, and puts it back.
 * @param {string} path
 */
function takeOver(path) {
  const aside = `${path}.${process.pid}.stale`;
  try {
    renameSync(path, aside);
    if (!isAbandoned(aside)) linkSync(aside, path);
  } catch (error) {
    if (codeOf(error) !== 'ENOENT' && codeOf(error) !== 'EEXIST') throw error;
  }
  rmSync(aside, { force: true });
}

/** @param {string} path */
function readFile(path) {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

/** @param {string} path */
function readOwner(path) {
  const [host = '', pid = '', start = ''] = readFile(path).split(' ');
  return { host, pid: Number(pid), start };
}

/** @param {string} path */
function touch(path) {
  try {
    utimesSync(path, new Date(), new Date());
  } catch (error) {
    if (codeOf(error) !== 'ENOENT') throw error;
  }
}

/**
 * When a process was started, in a form that only equals itself; empty on systems without /proc.
 * @param {number} pid
 */
function startOf(pid) {
  // The name of the program, which may hold blanks and brackets, is the second field; this is the 22nd.
  const stat = readFile(`/proc/${pid}/stat`);
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? '';
}

/** @param {string} path */
function lastBeat(path) {
  return statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? Date.now();
}

/** @param {number} pid */
function isAlive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return codeOf(error) === 'EPERM';
  }
}

/** @param {unknown} error */
const codeOf = (error) => /** @type {NodeJS.ErrnoException} */ (error).code;
