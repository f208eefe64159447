// @ts-check
// Bundles the two processes and their threads into dist/gateway and dist/stage, a file each: a process that starts reads
// that instead of a thousand modules. Run by the compile step of every command, by `npm run build` and where the images are
// built.
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** What is started, by the name of its file; threads lie beside the process that starts them. */
const PROGRAMS = {
  'gateway/main': 'services/gateway/main.ts',
  'gateway/text-worker': 'services/gateway/text/text-worker.ts',
  'stage/main': 'services/stage/main.ts',
  'stage/engine-worker': 'services/stage/engine/engine-worker.ts',
  'stage/vocabulary-worker': 'services/stage/engine/vocabulary-worker.ts',
};

/** Packages of the old kind ask for others while they run. */
const REQUIRE =
  "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);";

/**
 * Nobody reads messages of zod's in forty languages, which are a quarter of what a thread would load.
 * @type {import('esbuild').Plugin}
 */
const noLocales = {
  name: 'no locales',
  setup: (build) =>
    build.onLoad({ filter: /[\\/]zod[\\/].*[\\/]locales[\\/]index\.js$/ }, () => ({ contents: '' })),
};

/**
 * Throws what does not compile.
 * @param {string} root the repository
 */
export async function bundleServices(root = join(import.meta.dirname, '..')) {
  const { build } = await import('esbuild');
  await build({
    absWorkingDir: root,
    entryPoints: PROGRAMS,
    outdir: 'dist',
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node20',
    // It finds its own libraries beside itself.
    external: ['onnxruntime-node'],
    banner: { js: REQUIRE },
    plugins: [noLocales],
    sourcemap: true,
    sourcesContent: false,
    legalComments: 'none',
    logLevel: 'silent',
  });
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await bundleServices();
