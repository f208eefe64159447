import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { ServingError } from '../../../../services/lib/errors/serving-error.js';
import { ManagedProcess } from '../../managed-process.js';
import { freePorts } from '../../ports.js';
import { llamaDialect } from '../targets/dialect.js';
import { HttpTarget } from '../targets/http-target.js';
import type { Arm } from '../types.js';
import { findProgram } from './find-program.js';
import type { PeerOptions } from './peer-options.js';

const READY_TIMEOUT_MS = 120_000;
const STOP_GRACE_MS = 5_000;
/** llama.cpp rounds each sequence's room up to this many tokens. */
const CONTEXT_STEP = 256;

/** llama.cpp's own server: as many slots as clients, continuous batching, and no prompt cache. */
export function llamaServerArm({ model, threads }: PeerOptions): Arm {
  const program = findProgram('llama-server');
  return {
    name: 'llama-server',
    peer: true,
    sized: true,
    async start({ clients, tokens }, signal) {
      const [port] = (await freePorts(1)) as [number];
      const folder = await mkdtemp(join(tmpdir(), 'layermesh-bench-'));
      const context = clients * Math.ceil((tokens + 1) / CONTEXT_STEP) * CONTEXT_STEP;
      const server = new ManagedProcess({
        name: 'llama-server',
        command: [program, ...serverArguments({ model, threads, port, clients, context })],
        directory: folder,
        env: process.env,
        logPath: join(folder, 'log'),
      });
      const stop = async (): Promise<void> => {
        await server.stop(STOP_GRACE_MS);
        await rm(folder, { recursive: true, force: true });
      };
      const url = `http://127.0.0.1:${port}`;
      try {
        await untilHealthy(url, server, signal);
        return {
          target: new HttpTarget(url, llamaDialect),
          version: await buildInfo(url),
          processes: [{ name: 'llama-server', pid: server.pid }],
          stages: [],
          stop,
        };
      } catch (error) {
        await stop();
        throw error;
      }
    },
  };
}

function serverArguments(options: {
  model: string;
  threads: number;
  port: number;
  clients: number;
  context: number;
}): string[] {
  const { model, threads, port, clients, context } = options;
  const values: Record<string, string | number> = {
    model,
    host: '127.0.0.1',
    port,
    threads,
    'threads-batch': threads,
    parallel: clients,
    'ctx-size': context,
    'cache-ram': 0,
  };
  return [
    ...Object.entries(values).flatMap(([name, value]) => [`--${name}`, String(value)]),
    '--cont-batching',
    '--no-cache-prompt',
  ];
}

async function untilHealthy(url: string, server: ManagedProcess, signal: AbortSignal): Promise<void> {
  const deadline = performance.now() + READY_TIMEOUT_MS;
  while (!(await isHealthy(url))) {
    if (!server.running || performance.now() > deadline) {
      const lines = (await server.lastLines(3)).join(' | ');
      throw new ServingError('process_failed', `llama-server does not serve: ${lines}`);
    }
    await delay(50, undefined, { signal });
  }
}

const isHealthy = (url: string): Promise<boolean> =>
  fetch(`${url}/health`).then(
    ({ ok }) => ok,
    () => false,
  );

async function buildInfo(url: string): Promise<string> {
  const props = (await (await fetch(`${url}/props`)).json()) as { build_info?: string };
  return `llama-server ${props.build_info ?? ''}`.trim();
}
