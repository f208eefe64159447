// @ts-check
import { mkdirSync, readFileSync, renameSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

const BEAT_MS = 10_000;
const STALE_MS = 60_000;
const POLL_MS = 200;

/**
 * Runs `work` while this process alone holds the lock file; waits for another holder, and takes over from one
 * that has died. A holder touches its file, so that one on another machine or in another container counts too.
 *
 * @template Result
 * @param {string} path
 * @param {() => Promise<Result>} work
 * @param {{ signal?: AbortSignal | undefined, onWait?: ((owner: string) => void) | undefined }} [options]
 * @returns {Promise<Result>}
 */
export async function withLock(path, work, { signal, onWait } = {}) {
  mkdirSync(dirname(path), { recursive: true });
  while (!tryAcquire(path)) {
    if (isAbandoned(path)) {
      takeOver(path);
      continue;
    }
    onWait?.(readOwner(path));
    await sleep(POLL_MS, undefined, { signal });
  }
  const beat = setInterval(() => utimesSync(path, new Date(), new Date()), BEAT_MS).unref();
  const release = () => rmSync(path, { force: true });
  process.once('exit', release);
  try {
    return await work();
  } finally {
    clearInterval(beat);
    process.off('exit', release);
    release();
  }
}

const self = () => `${hostname()} ${process.pid}`;

/** @param {string} path */
function tryAcquire(path) {
  try {
    writeFileSync(path, self(), { flag: 'wx' });
    return true;
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return false;
    throw error;
  }
}

/** @param {string} path */
function isAbandoned(path) {
  const [host, pid] = readOwner(path).split(' ');
  if (host === hostname() && pid !== undefined && !isAlive(Number(pid))) return true;
  return Date.now() - lastBeat(path) > STALE_MS;
}

/**
 * Renaming first lets only one of several waiters remove an abandoned lock.
 * @param {string} path
 */
function takeOver(path) {
  const aside = `${path}.${process.pid}.stale`;
  try {
    renameSync(path, aside);
  } catch (error) {
    if (codeOf(error) !== 'ENOENT') throw error;
  }
  rmSync(aside, { force: true });
}

/** @param {string} path */
function readOwner(path) {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
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
