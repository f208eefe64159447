import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { waitUntil } from '../wait-until.js';

/** The bytes of a request. */
export function requestText(path: string, body = ''): string {
  const head = [
    `${body === '' ? 'GET' : 'POST'} ${path} HTTP/1.1`,
    'Host: 127.0.0.1',
    'Content-Type: application/json',
    `Content-Length: ${Buffer.byteLength(body)}`,
  ];
  return `${head.join('\r\n')}\r\n\r\n${body}`;
}

const POLL_MS = 10;

/** A TCP connection to a server, for what no HTTP client would do. */
export class RawConnection {
  readonly #socket: Socket;
  #received = '';
  #ended = false;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on('error', () => undefined);
    socket.once('close', () => (this.#ended = true));
  }

  /** Rejects when nobody takes it. */
  static async open(url: string): Promise<RawConnection> {
    const { hostname: host, port } = new URL(url);
    const socket = connect({ host, port: Number(port) });
    await once(socket, 'connect');
    return new RawConnection(socket);
  }

  /** Whether the connection is gone, whoever closed it. */
  get ended(): boolean {
    return this.#ended;
  }

  /** What was read so far. */
  get received(): string {
    return this.#received;
  }

  send(text: string): void {
    this.#socket.write(text);
  }

  /** Reads whatever comes from now on. */
  listen(): this {
    this.#socket.setEncoding('utf8').on('data', (text: string) => (this.#received += text));
    return this;
  }

  /** Takes one byte more, if there is one; without it, and without `listen`, nothing is read. */
  takeByte(): void {
    this.#received += String(this.#socket.read(1) ?? '');
  }

  /** No more will be sent, and everything still be read: `shutdown(SHUT_WR)`. */
  halfClose(): void {
    this.#socket.end();
  }

  /** With FIN, or with RST as after a crash. */
  vanish(reset: boolean): void {
    if (reset) this.#socket.resetAndDestroy();
    else this.#socket.destroy();
  }

  /** Until something has come or the connection is gone; false when neither happens in time. */
  async until(
    holds: (received: string) => boolean,
    timeoutMs: number,
    signal: AbortSignal,
  ): Promise<boolean> {
    const over = (): boolean => this.#ended || holds(this.#received);
    await waitUntil(over, { every: POLL_MS, limit: timeoutMs, signal });
    return holds(this.#received);
  }
}
