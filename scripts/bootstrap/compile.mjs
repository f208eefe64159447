// @ts-check
import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { bundleServices } from '../../services/bundle.mjs';
import { buildConsole } from '../../services/console/build.mjs';
import { digestOf } from './digest.mjs';
import { SetupError } from './setup-error.mjs';
import { runStep } from './step.mjs';
import { runTool } from './tool.mjs';

const SOURCE_FOLDERS = ['services', 'scripts'];
const ALSO_DECIDES = ['tsconfig.json', 'tsconfig.build.json', 'package-lock.json'];

/**
 * Compiles services/ and scripts/ to dist/, and bundles the services and the console, unless nothing has changed since the last time.
 * @param {string} root
 */
export async function ensureCompiled(root) {
  const stamp = join(root, 'dist', '.sources');
  // Taken before compiling, so that what changes meanwhile is compiled the next time.
  const digest = sourcesDigest(root);
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === digest) return;
  // Without its output the compiler's own record of what is up to date would be believed wrongly.
  if (!existsSync(stamp)) rmSync(join(root, 'node_modules', '.cache', 'build.tsbuildinfo'), { force: true });
  await runStep('compiled', async () => {
    const compiler = join(root, 'node_modules', 'typescript', 'bin', 'tsc');
    const args = [compiler, '-p', 'tsconfig.build.json', '--pretty', 'false'];
    const { code, output } = await runTool(process.execPath, args, { cwd: root });
    if (code !== 0) throw compileError(output);
    await Promise.all([bundleServices(root), buildConsole(root)]).catch((error) => {
      throw compileError(String(error));
    });
    // Else its process would stay as long as the command.
    await (await import('esbuild')).stop();
  });
  mkdirSync(join(root, 'dist'), { recursive: true });
  writeFileSync(stamp, digest);
}

/**
 * Names, sizes and modification times of everything that is compiled: a few milliseconds for hundreds of files.
 * @param {string} root
 */
export function sourcesDigest(root) {
  const files = SOURCE_FOLDERS.flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
      .filter((name) => /\.(tsx?|mjs|json|css|html|svg)$/.test(name))
      .map((name) => join(folder, name)),
  );
  const marks = [...files, ...ALSO_DECIDES].sort().map((path) => {
    const found = statSync(join(root, path), { throwIfNoEntry: false });
    return `${path} ${found?.size} ${found?.mtimeMs}`;
  });
  return digestOf(...marks);
}

/** @param {string} output */
function compileError(output) {
  const problems = output.trim().split('\n');
  console.error(output.trimEnd());
  return new SetupError(
    'compile_failed',
    `the sources do not compile: ${problems[0]}`,
    'npm run types shows the same without running anything',
  );
}
