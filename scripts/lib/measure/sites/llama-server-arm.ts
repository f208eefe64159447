import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ServingError } from '../../../../services/lib/errors/serving-error.js';
import { freePort } from '../../local/ports.js';
import { ManagedProcess } from '../../local/processes.js';
import { requiredProgram } from '../../repository.js';
import { waitUntil } from '../../wait-until.js';
import { HttpTarget, llamaDialect } from '../http-target.js';
import type { Arm } from '../types.js';

export interface PeerOptions {
  /** Path of the GGUF file that it serves. */
  readonly model: string;
  readonly threads: number;
  /** For peers that are Python packages: the interpreter that has them. */
  readonly python: string;
}

const READY_TIMEOUT_MS = 120_000;
const STOP_GRACE_MS = 5_000;
/** llama.cpp rounds each sequence's room up to this many tokens. */
const CONTEXT_STEP = 256;

/** llama.cpp's own server: as many slots as clients, continuous batching, and no prompt cache. */
export function llamaServerArm({ model, threads }: PeerOptions): Arm {
  const program = requiredProgram('llama-server');
  return {
    name: 'llama-server',
    peer: true,
    sized: true,
    async start({ clients, tokens }, signal) {
      const port = await freePort();
      const folder = await mkdtemp(join(tmpdir(), 'layermesh-bench-'));
      const options: Record<string, string | number> = {
        model,
        host: '127.0.0.1',
        port,
        threads,
        'threads-batch': threads,
        parallel: clients,
        'ctx-size': clients * Math.ceil((tokens + 1) / CONTEXT_STEP) * CONTEXT_STEP,
        'cache-ram': 0,
      };
      const args = Object.entries(options).flatMap(([name, value]) => [`--${name}`, String(value)]);
      const server = new ManagedProcess({
        name: 'llama-server',
        command: [program, ...args, '--cont-batching', '--no-cache-prompt'],
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
        const props = (await (await fetch(`${url}/props`)).json()) as { build_info?: string };
        return {
          target: new HttpTarget(url, llamaDialect),
          version: `llama-server ${props.build_info ?? ''}`.trim(),
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

async function untilHealthy(url: string, server: ManagedProcess, signal: AbortSignal): Promise<void> {
  const isHealthy = (): Promise<boolean> =>
    fetch(`${url}/health`)
      .then(({ ok }) => ok)
      .catch(() => false);
  const look = async (): Promise<boolean> => !server.running || (await isHealthy());
  await waitUntil(look, { every: 50, limit: READY_TIMEOUT_MS, signal });
  if (server.running && (await isHealthy())) return;
  const lines = (await server.lastLines(3)).join(' | ');
  throw new ServingError('process_failed', `llama-server does not serve: ${lines}`);
}
