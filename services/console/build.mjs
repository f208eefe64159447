// @ts-check
// Bundles the page into dist/gateway/console: the compiler cannot. Run by the compile step of every command, by
// `npm run build` and where the images are built.
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';

const here = import.meta.dirname;

/**
 * Writes the page and its files, each with a compressed one beside it, and returns the compressed size in bytes.
 * @param {string} root the repository
 */
export async function buildConsole(root = join(here, '..', '..')) {
  const { build } = await import('esbuild');
  const folder = join(root, 'dist', 'gateway', 'console');
  const { outputFiles } = await build({
    entryPoints: { console: join(here, 'main.tsx') },
    bundle: true,
    minify: true,
    format: 'esm',
    target: 'es2022',
    jsx: 'automatic',
    jsxImportSource: 'preact',
    entryNames: '[name]-[hash]',
    loader: { '.svg': 'dataurl' },
    legalComments: 'none',
    outdir: folder,
    write: false,
    logLevel: 'silent',
  });
  const named = (/** @type {string} */ end) => outputFiles.find(({ path }) => path.endsWith(end));
  const [script, style] = [named('.js'), named('.css')];
  if (script === undefined || style === undefined) throw new Error('the console has no script or no style');
  const page = readFileSync(join(here, 'index.html'), 'utf8')
    .replace('main.tsx', `console/${basename(script.path)}`)
    .replace('style.css', `console/${basename(style.path)}`);
  const files = [
    { name: basename(script.path), contents: script.contents },
    { name: basename(style.path), contents: style.contents },
    { name: 'icon.svg', contents: readFileSync(join(here, 'icon.svg')) },
    { name: 'index.html', contents: Buffer.from(page) },
  ];
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  let size = 0;
  for (const { name, contents } of files) {
    const gzip = gzipSync(contents, { level: 9 });
    writeFileSync(join(folder, name), contents);
    writeFileSync(join(folder, `${name}.gz`), gzip);
    size += gzip.length;
  }
  return size;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const size = await buildConsole();
  console.log(`the console: ${(size / 1000).toFixed(1)} kB compressed`);
}
