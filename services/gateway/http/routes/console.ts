import { readdirSync, readFileSync } from 'node:fs';
import { extname, join } from 'node:path';
import type { RequestHandler } from 'express';

/** Where `services/console/build.mjs` puts the page, seen from the bundled gateway. */
const CONSOLE_FOLDER = join(import.meta.dirname, 'console');

const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
};

/**
 * The page loads nothing but its own files, runs no script that is written into it, makes no HTML of text, and is shown in
 * no other page.
 */
const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self'",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
  "require-trusted-types-for 'script'",
  "trusted-types 'none'",
].join('; ');

interface File {
  readonly type: string;
  readonly plain: Buffer;
  readonly gzip: Buffer;
  readonly cache: string;
}

/** `GET /` and the files of the page, from memory. Null where it has not been built. */
export function consolePage(folder: string = CONSOLE_FOLDER): RequestHandler | null {
  const files = readFiles(folder);
  if (!files.has('/')) return null;
  return (request, response, next) => {
    const file = request.method === 'GET' || request.method === 'HEAD' ? files.get(request.path) : undefined;
    if (file === undefined) {
      next();
      return;
    }
    const gzip = request.acceptsEncodings('gzip') === 'gzip';
    response.set({
      'content-type': file.type,
      'content-security-policy': POLICY,
      'x-content-type-options': 'nosniff',
      'referrer-policy': 'no-referrer',
      'cache-control': file.cache,
      vary: 'accept-encoding',
    });
    if (gzip) response.set('content-encoding', 'gzip');
    response.end(gzip ? file.gzip : file.plain);
  };
}

/** By their path in the URL; a compressed one lies beside each. */
function readFiles(folder: string): Map<string, File> {
  const files = new Map<string, File>();
  const names = listed(folder);
  for (const name of names) {
    const type = TYPES[extname(name)];
    if (type === undefined || !names.includes(`${name}.gz`)) continue;
    const [plain, gzip] = [readFileSync(join(folder, name)), readFileSync(join(folder, `${name}.gz`))];
    // All but the page itself have a digest in their names.
    const isPage = name === 'index.html';
    const cache = isPage ? 'no-cache' : 'public, max-age=31536000, immutable';
    files.set(isPage ? '/' : `/console/${name}`, { type, plain, gzip, cache });
  }
  return files;
}

function listed(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}
