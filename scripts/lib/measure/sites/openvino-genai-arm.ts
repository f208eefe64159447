import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import { execa } from 'execa';
import { ServingError } from '../../../../services/lib/errors/serving-error.js';
import { repositoryRoot } from '../../repository.js';
import type { Arm, Completion, Target } from '../types.js';
import type { PeerOptions } from './llama-server-arm.js';

const SCRIPT = join(repositoryRoot, 'scripts', 'lib', 'measure', 'sites', 'openvino-genai.py');

const STOP_GRACE_MS = 5_000;

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
