// @ts-check
import { shared } from './shared.mjs';

const TERMINAL_MS = 250;
const PLAIN_MS = 15_000;

/**
 * How each step that runs is going; on a terminal they share the one line that is rewritten.
 * @type {Set<() => string>}
 */
const running = shared('steps', () => new Set());

/**
 * Runs one step of a command and tells how it goes: on a terminal one line that is rewritten, elsewhere a line
 * now and then. The step's last detail stays on its final line. A step that fails leaves no line behind, because
 * its error says more.
 *
 * `quietBelowMs`: a step that was faster than this had nothing to do and is not worth a line.
 *
 * @type {<Result>(
 *   name: string,
 *   work: (update: (detail: string) => void) => Promise<Result>,
 *   options?: { output?: NodeJS.WriteStream, quietBelowMs?: number },
 * ) => Promise<Result>}
 */
export const runStep = async (name, work, { output = process.stderr, quietBelowMs = 0 } = {}) => {
  const started = performance.now();
  const seconds = () => (performance.now() - started) / 1000;
  const clear = output.isTTY ? '\r\x1b[K' : '';
  let detail = '';
  const label = () => (detail === '' ? name : `${name}: ${detail}`);
  const going = () => `${label()}, ${seconds().toFixed(0)} s`;
  const draw = () => {
    if (!output.isTTY) return output.write(`… ${going()}\n`);
    const line = `… ${[...running].map((each) => each()).join(' · ')}`;
    return output.write(`${clear}${line.slice(0, output.columns - 1)}`);
  };
  running.add(going);
  const timer = setInterval(draw, output.isTTY ? TERMINAL_MS : PLAIN_MS);
  try {
    const result = await work((text) => {
      detail = text;
    });
    const quiet = seconds() * 1000 < quietBelowMs;
    output.write(quiet ? clear : `${clear}✓ ${label()} (${seconds().toFixed(1)} s)\n`);
    return result;
  } catch (error) {
    output.write(clear);
    throw error;
  } finally {
    clearInterval(timer);
    running.delete(going);
  }
};
