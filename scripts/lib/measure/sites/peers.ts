import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import { execa } from 'execa';
import { ServingError } from '../../../../services/lib/errors/serving-error.js';
import { freePort } from '../../local/processes/ports.js';
import { ManagedProcess } from '../../local/processes/kept-process.js';
import { repositoryRoot, requiredProgram } from '../../repository.js';
import { waitUntil } from '../../wait-until.js';
import { HttpTarget, llamaDialect } from '../http-target.js';
import type { Arm, Completion, Target } from '../types.js';

interface PeerOptions {
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
export const llamaServerArm = (options: PeerOptions): Arm => llamaArm('llama-server', options, null);

/**
 * The same, with tokens guessed from what came before: 7 after 3 that were there already. Ours guesses after 2 to 5; its own
 * defaults are 48 after 12. Which numbers serve it best was not tried.
 */
export const llamaNgramArm = (options: PeerOptions): Arm =>
  llamaArm('llama-server-ngram', options, {
    'spec-type': 'ngram-simple',
    'spec-ngram-simple-size-n': 3,
    'spec-ngram-simple-size-m': 7,
  });

type LlamaOptions = Readonly<Record<string, string | number>>;

function llamaArm(name: string, { model, threads }: PeerOptions, speculation: LlamaOptions | null): Arm {
  const program = requiredProgram('llama-server');
  return {
    name,
    peer: true,
    speculates: speculation !== null,
    sized: true,
    async start({ clients, tokens }, signal) {
      const port = await freePort();
      const folder = await mkdtemp(join(tmpdir(), 'layermesh-bench-'));
      const options: LlamaOptions = {
        model,
        host: '127.0.0.1',
        port,
        threads,
        'threads-batch': threads,
        parallel: clients,
        'ctx-size': clients * Math.ceil((tokens + 1) / CONTEXT_STEP) * CONTEXT_STEP,
        'cache-ram': 0,
        ...speculation,
      };
      const args = Object.entries(options).flatMap(([name, value]) => [`--${name}`, String(value)]);
      const server = new ManagedProcess({
        name,
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
          processes: [{ name, pid: server.pid }],
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

const SCRIPT = join(repositoryRoot, 'scripts', 'lib', 'measure', 'sites', 'openvino-genai.py');

/** OpenVINO GenAI's continuous batching, in a Python process without HTTP: it has no server of its own. */
export function openVinoArm({ model, threads, python }: PeerOptions): Arm {
  return {
    name: 'openvino-genai',
    peer: true,
    sized: true,
    async start({ clients, tokens }, signal) {
      // 1 GiB of keys and values for 32k tokens: more than enough for every model that this machine can serve fast.
      const options = { threads, clients, 'cache-gib': Math.ceil((clients * tokens) / 32_768) };
      const args = Object.entries(options).flatMap(([name, value]) => [`--${name}`, String(value)]);
      const child = execa(python, [SCRIPT, model, ...args], {
        stdin: 'pipe',
        stdout: 'pipe',
        stderr: 'inherit',
        buffer: false,
        reject: false,
        cancelSignal: signal,
      });
      const target = new PipeTarget(child.stdin, child.stdout);
      const version = await target.ready.catch((cause: unknown) => {
        signal.throwIfAborted();
        throw new ServingError('process_failed', `${python} cannot run OpenVINO GenAI`, { cause });
      });
      return {
        target,
        version: `openvino-genai ${version}`,
        processes: [{ name: 'openvino-genai', pid: child.pid! }],
        stages: [],
        async stop() {
          child.stdin.end();
          const timer = setTimeout(() => child.kill('SIGKILL'), STOP_GRACE_MS);
          await child;
          clearTimeout(timer);
        },
      };
    },
  };
}

interface Waiting {
  left: number;
  readonly onTokens: (count: number) => void;
  readonly resolve: () => void;
  readonly reject: (reason: Error) => void;
}

/** An engine at the other end of two pipes, which speaks lines of JSON (see openvino-genai.py). */
export class PipeTarget implements Target {
  /** Resolves with the engine's version once it takes requests; rejects when it ends before. */
  readonly ready: Promise<string>;
  readonly #input: Writable;
  readonly #waiting = new Map<string, Waiting>();
  #next = 0;

  constructor(input: Writable, output: Readable) {
    this.#input = input;
    this.ready = new Promise((resolve, reject) => {
      createInterface({ input: output })
        .on('line', (line) => {
          const message = JSON.parse(line) as { ready?: string; tokens?: Record<string, number> };
          if (message.ready !== undefined) resolve(message.ready);
          for (const [id, count] of Object.entries(message.tokens ?? {})) this.#receive(id, count);
        })
        .once('close', () => {
          const ended = new Error('the engine has ended');
          reject(ended);
          for (const waiting of this.#waiting.values()) waiting.reject(ended);
        });
    });
    // Whoever only completes is told by its own promise.
    this.ready.catch(() => undefined);
  }

  complete(
    { prompt, outputTokens }: Completion,
    onTokens: (count: number) => void,
    signal: AbortSignal,
  ): Promise<void> {
    const id = this.#next++;
    return new Promise<void>((resolve, reject) => {
      signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true });
      this.#waiting.set(String(id), { left: outputTokens, onTokens, resolve, reject });
      this.#input.write(`${JSON.stringify({ id, prompt, output: outputTokens })}\n`);
    }).finally(() => this.#waiting.delete(String(id)));
  }

  #receive(id: string, count: number): void {
    const waiting = this.#waiting.get(id);
    if (waiting === undefined) return;
    waiting.onTokens(count);
    waiting.left -= count;
    if (waiting.left <= 0) waiting.resolve();
  }
}
