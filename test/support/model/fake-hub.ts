import { createHash } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** A Hub that holds one model, speaking the routes that @huggingface/hub uses. */
export interface FakeHub {
  readonly endpoint: string;
  /** Method and path of what was asked for, in order. */
  readonly requests: string[];
  /** Values of the header `authorization` that came. */
  readonly tokens: Set<string>;
  close(): Promise<void>;
}

export const FAKE_COMMIT = 'c'.repeat(40);

export interface FakeFile {
  readonly content: Buffer;
  /** Listed with this digest instead of its own. */
  readonly sha256?: string;
  /** Sends half of the content, then nothing more. */
  readonly stalls?: boolean;
}

/** Serves `files` as the model `org/name`. */
export async function startFakeHub(files: Readonly<Record<string, FakeFile>>): Promise<FakeHub> {
  const requests: string[] = [];
  const tokens = new Set<string>();
  const server = createServer((request, response) => {
    requests.push(`${request.method ?? ''} ${new URL(request.url!, 'http://hub').pathname}`);
    if (request.headers.authorization !== undefined) tokens.add(request.headers.authorization);
    answer(files, request, response);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    endpoint: `http://127.0.0.1:${port}`,
    requests,
    tokens,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function answer(
  files: Readonly<Record<string, FakeFile>>,
  request: IncomingMessage,
  response: ServerResponse,
): void {
  const { pathname } = new URL(request.url!, 'http://hub');
  const file = files[pathname.replace(`/org/name/resolve/${FAKE_COMMIT}/`, '')];
  if (pathname === '/api/models/org/name/revision/main') {
    sendJson(response, { _id: '1', id: 'org/name', sha: FAKE_COMMIT, lastModified: '2026-01-01' });
  } else if (pathname === `/api/models/org/name/tree/${FAKE_COMMIT}`) {
    sendJson(response, listing(files));
  } else if (file !== undefined) {
    sendFile(file, request, response);
  } else {
    response.writeHead(401).end('no such model');
  }
}

const listing = (files: Readonly<Record<string, FakeFile>>): unknown[] => [
  { type: 'directory', path: 'onnx', size: 0, oid: '0'.repeat(40) },
  ...Object.entries(files).map(([path, { content, sha256 }]) => {
    const large = /\.(safetensors|gguf)$/.test(path);
    const oid = sha256 ?? createHash('sha256').update(content).digest('hex');
    const git = createHash('sha1').update(content).digest('hex');
    return { type: 'file', path, size: content.length, oid: git, ...(large ? { lfs: { oid } } : {}) };
  }),
];

function sendFile({ content, stalls }: FakeFile, request: IncomingMessage, response: ServerResponse): void {
  if (request.headers.range === 'bytes=0-0') {
    response.writeHead(206, { etag: '"1"', 'content-range': `bytes 0-0/${content.length}` });
    response.end(content.subarray(0, 1));
    return;
  }
  response.writeHead(200, { etag: '"1"', 'content-length': content.length });
  if (stalls === true) response.write(content.subarray(0, content.length / 2));
  else response.end(content);
}

function sendJson(response: ServerResponse, body: unknown): void {
  response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(body));
}
