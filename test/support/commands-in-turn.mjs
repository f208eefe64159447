/**
 * Runs commands one after the other in this process, each as scripts/run.mjs would, and prints a line of JSON for each: with
 * what code it ended, and what it wrote. Takes an array of words in JSON for each; run-commands.ts is its other half.
 */
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { commandsOf } from '../../scripts/bootstrap/commands.mjs';

const root = join(import.meta.dirname, '..', '..');
const paths = commandsOf(root);
const commands = process.argv.slice(2).map((words) => JSON.parse(words));

/** Where a command of its own process would have ended it. */
class Ended extends Error {
  constructor(code) {
    super(`ended with ${code}`);
    this.code = code;
  }
}

const exit = process.exit.bind(process);
process.exit = (code = process.exitCode ?? 0) => {
  throw new Ended(code);
};

let output = '';
const print = process.stdout.write.bind(process.stdout);
for (const stream of [process.stdout, process.stderr]) {
  stream.write = (text, ...rest) => {
    output += String(text);
    rest.find((each) => typeof each === 'function')?.();
    return true;
  };
}
// Each listens for Ctrl-C.
process.setMaxListeners(0);

for (const [index, [command, ...args]] of commands.entries()) {
  output = '';
  process.exitCode = undefined;
  const path = join(root, 'dist', 'scripts', `${paths.get(command)}.js`);
  process.argv = [process.execPath, path, ...args];
  let code = null;
  try {
    // Under another name each time, or it would not run again.
    await import(`${pathToFileURL(path).href}?${index}`);
  } catch (error) {
    if (!(error instanceof Ended)) throw error;
    ({ code } = error);
  }
  print(`${JSON.stringify({ code, output })}\n`);
}
exit(0);
