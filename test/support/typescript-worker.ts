import { pathToFileURL } from 'node:url';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';

const root = join(import.meta.dirname, '..', '..');

/** Module hooks as jest has them: `./x.js` in an import means `./x.ts`, which swc compiles. */
const hooks = `
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import swc from ${JSON.stringify(pathToFileURL(join(root, 'node_modules/@swc/core/index.js')).href)};
export const resolve = (specifier, context, next) =>
  next(!context.parentURL?.includes('/node_modules/') && /^\\.{1,2}\\/.*\\.js$/.test(specifier) ? specifier.replace(/js$/, 'ts') : specifier, context);
export async function load(url, context, next) {
  if (!url.endsWith('.ts')) return next(url, context);
  const { code } = await swc.transform(readFileSync(fileURLToPath(url), 'utf8'), {
    swcrc: false, jsc: { parser: { syntax: 'typescript' }, target: 'es2022' }, module: { type: 'es6' },
  });
  return { format: 'module', source: code, shortCircuit: true };
}`;
const asModule = (code: string): string => `data:text/javascript,${encodeURIComponent(code)}`;
const registration = `import { register } from 'node:module'; register(${JSON.stringify(asModule(hooks))});`;

/** A worker thread of a service, from its source: `path` from the root of the repository. */
export function typescriptWorker(path: string, workerData: unknown): Worker {
  return new Worker(pathToFileURL(join(root, path)), {
    workerData,
    execArgv: ['--import', asModule(registration)],
  });
}
