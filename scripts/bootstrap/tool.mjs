// @ts-check
import { spawn } from 'node:child_process';

const KEEP_CHARACTERS = 1 << 20;

/**
 * Those that run, however many: one listener for all of them.
 *
 * @type {Set<import('node:child_process').ChildProcess>}
 */
const running = new Set();
process.once('exit', () => running.forEach((child) => child.kill()));

/**
 * Runs a program to its end and returns what it wrote (the last megabyte). It is stopped when this process exits
 * or the signal is aborted. Rejects only when it cannot be started (`ENOENT`) or was aborted.
 *
 * @param {string} program
 * @param {readonly string[]} args
 * @param {{
 *   cwd: string,
 *   env?: NodeJS.ProcessEnv,
 *   signal?: AbortSignal | undefined,
 *   onText?: (text: string) => void,
 * }} options
 * @returns {Promise<{ code: number, output: string }>}
 */
export async function runTool(program, args, { cwd, env = process.env, signal, onText }) {
  const child = spawn(program, args, { cwd, env, signal, stdio: ['ignore', 'pipe', 'pipe'] });
  running.add(child);
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text) => {
      output = (output + text).slice(-KEEP_CHARACTERS);
      onText?.(text);
    });
  }
  try {
    return await new Promise((resolve, reject) => {
      child.once('error', reject);
      child.once('close', (code) => resolve({ code: code ?? 1, output }));
    });
  } finally {
    running.delete(child);
    // After an abort a grandchild may still hold the other ends.
    child.stdout.destroy();
    child.stderr.destroy();
  }
}
