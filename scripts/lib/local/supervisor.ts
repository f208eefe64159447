import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, mkdirSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer, request, type IncomingMessage, type Server } from 'node:http';
import { join } from 'node:path';
import { json } from 'node:stream/consumers';
import { z } from 'zod';
import type { Topology } from '../../../services/gateway/generation/backend.js';
import { catalogue, type ErrorCode } from '../../../services/lib/errors/catalogue.js';
import { ServingError } from '../../../services/lib/errors/serving-error.js';
import { runsDirectory } from './run/run-folder.js';

/** What another command may ask of a running system. */
const order = z.discriminatedUnion('do', [
  z.object({ do: z.literal('scale'), appId: z.string(), count: z.number().int().min(1) }),
  z.object({ do: z.literal('stop') }),
]);

export type Order = z.infer<typeof order>;

export interface Orders {
  scale(appId: string, count: number): Promise<Topology>;
  stop(): Promise<void>;
}

/** Takes orders as JSON over a Unix socket, which only this user can reach. The caller closes the server. */
export function serveControl(socketPath: string, orders: Orders): Promise<Server> {
  const server = createServer((message, response) => {
    obey(message, orders).then(
      (answer) => response.end(JSON.stringify(answer ?? null)),
      (reason: unknown) => {
        const { code, message: text, hint } = ServingError.from(reason);
        response.writeHead(400).end(JSON.stringify({ code, message: text, hint }));
      },
    );
  });
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(socketPath, () => resolve(server));
  });
}

async function obey(message: IncomingMessage, orders: Orders): Promise<unknown> {
  const wanted = order.parse(await json(message));
  return wanted.do === 'scale' ? orders.scale(wanted.appId, wanted.count) : orders.stop();
}

/** Gives an order and returns the answer; throws `not_running` where nobody takes orders, or the order's error. */
export async function giveOrder(socketPath: string, wanted: Order): Promise<unknown> {
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    request({ socketPath, method: 'POST' }, resolve).once('error', reject).end(JSON.stringify(wanted));
  }).catch((cause: unknown) => {
    throw new ServingError('not_running', 'no local system takes orders on this port', { cause });
  });
  const answer = await json(response);
  if (response.statusCode === 200) return answer;
  const { code, message, hint } = answer as { code: string; message: string; hint: string };
  throw new ServingError(code in catalogue ? (code as ErrorCode) : 'internal', message, { hint });
}

/** What a detached supervisor tells: that processes died, and why. */
export const supervisorLog = (port: number): string => join(runsDirectory(), `${port}.log`);

/** Sent by a supervisor to the command that started it. */
export const SERVING = 'serving';

/**
 * Runs `up` again, in a session of its own, and returns once it serves. Throws what it died of otherwise; stops it
 * when the signal is aborted meanwhile.
 */
export async function runDetached(args: readonly string[], port: number, signal: AbortSignal): Promise<void> {
  mkdirSync(runsDirectory(), { recursive: true });
  const logPath = supervisorLog(port);
  writeFileSync(logPath, '');
  // To append, for it is cut when it grows too long.
  const log = openSync(logPath, 'a');
  const child = spawn(process.execPath, [process.argv[1]!, ...args], {
    detached: true,
    stdio: ['ignore', log, log, 'ipc'],
  });
  closeSync(log);
  const stop = (): void => void child.kill('SIGTERM');
  signal.addEventListener('abort', stop);
  const ending = once(child, 'exit').then(() => {
    signal.throwIfAborted();
    const line = readFileSync(logPath, 'utf8').trimEnd().split('\n').at(-1) ?? '';
    throw new ServingError('process_failed', `the system did not start: ${line}`, { hint: `see ${logPath}` });
  });
  const serving = once(child, 'message').then(() => undefined);
  await Promise.race([serving, ending]);
  signal.removeEventListener('abort', stop);
  ending.catch(() => undefined);
  child.disconnect();
  child.unref();
}
