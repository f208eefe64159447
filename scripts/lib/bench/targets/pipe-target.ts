import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import type { Completion, Target } from '../types.js';

interface Waiting {
  left: number;
  readonly onTokens: (count: number) => void;
  readonly resolve: () => void;
  readonly reject: (reason: Error) => void;
}

/** An engine at the other end of two pipes, which speaks lines of JSON (see arms/openvino-genai.py). */
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
