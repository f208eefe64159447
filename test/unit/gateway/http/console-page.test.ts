import { writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';
import express from 'express';
import { consolePage } from '../../../../services/gateway/http/routes/console.js';
import { startTestGateway } from '../test-gateway.js';
import { temporaryFolder } from '../../../support/temporary-folder.js';

const folder = temporaryFolder();
let server: Server;
let url: string;

beforeEach(async () => {
  for (const [name, text] of Object.entries({
    'index.html': '<p>',
    'console-AB.js': 'let a',
    'notes.txt': 'x',
  })) {
    await writeFile(join(folder.path, name), text);
    await writeFile(join(folder.path, `${name}.gz`), gzipSync(text));
  }
  const app = express().use(consolePage(folder.path)!);
  server = createServer(app).listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterEach(() => new Promise((resolve) => server.close(resolve)));

test('serves the page with a policy that lets nothing in, and its files for good', async () => {
  const page = await fetch(`${url}/`);
  expect(await page.text()).toBe('<p>');
  expect(page.headers.get('cache-control')).toBe('no-cache');
  const policy = page.headers.get('content-security-policy')!;
  expect(policy).toContain("default-src 'none'");
  expect(policy).not.toMatch(/unsafe|http|\*|data:/);
  const script = await fetch(`${url}/console/console-AB.js`);
  expect(script.headers.get('content-type')).toBe('text/javascript; charset=utf-8');
  expect(script.headers.get('cache-control')).toContain('immutable');
});

test('is compressed only for who takes it so', async () => {
  const plain = await fetch(`${url}/`, { headers: { 'accept-encoding': 'identity' } });
  expect(plain.headers.get('content-encoding')).toBeNull();
  const packed = await new Promise<Buffer>((resolve, reject) => {
    import('node:http')
      .then(({ get }) =>
        get(`${url}/`, { headers: { 'accept-encoding': 'gzip' } }, (response) => {
          const chunks: Buffer[] = [];
          response.on('data', (chunk: Buffer) => chunks.push(chunk));
          response.on('end', () => resolve(Buffer.concat(chunks)));
        }),
      )
      .catch(reject);
  });
  expect(gunzipSync(packed).toString()).toBe('<p>');
});

test.each([
  '/console/notes.txt',
  '/console/..%2f..%2fpackage.json',
  '/console/',
  '/console/index.html',
  '/nothing',
])('has no %s', async (path) => {
  expect((await fetch(url + path)).status).toBe(404);
});

test('is not there where it has not been built, or is switched off', async () => {
  expect(consolePage(join(folder.path, 'nowhere'))).toBeNull();
  const gateway = await startTestGateway();
  try {
    const response = await fetch(`${gateway.url}/`);
    expect([response.status, ((await response.json()) as { error: { code: string } }).error.code]).toEqual([
      404,
      'route_not_found',
    ]);
  } finally {
    await gateway.close();
  }
});
