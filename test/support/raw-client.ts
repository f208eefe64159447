import { once } from 'node:events';
import { connect, type Socket } from 'node:net';

/** A TCP client that does as it likes. */
export class RawClient {
  readonly socket: Socket;
  received = '';
  closed = false;

  constructor(port: number) {
    this.socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
    this.socket.setEncoding('latin1');
    this.socket.on('data', (text: string) => (this.received += text));
    this.socket.on('error', () => undefined);
    // The other side has ended, by whatever means.
    for (const event of ['end', 'close']) this.socket.once(event, () => (this.closed = true));
  }

  static async connect(port: number): Promise<RawClient> {
    const client = new RawClient(port);
    await once(client.socket, 'connect');
    return client;
  }

  send(text: string): this {
    this.socket.write(text);
    return this;
  }

  post(path: string, body: object, headers = ''): this {
    const json = JSON.stringify(body);
    return this.send(
      `POST ${path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n${headers}` +
        `content-length: ${Buffer.byteLength(json)}\r\n\r\n${json}`,
    );
  }

  get(path: string): this {
    return this.send(`GET ${path} HTTP/1.1\r\nhost: localhost\r\n\r\n`);
  }

  /** Ends its sending half. */
  halfClose(): this {
    this.socket.end();
    return this;
  }

  /** Status codes of the answers so far, without interim ones. */
  get statuses(): number[] {
    const found = [...this.received.matchAll(/HTTP\/1\.1 (\d+)/g)].map(([, status]) => Number(status));
    return found.filter((status) => status >= 200);
  }
}
