import { once, setMaxListeners } from 'node:events';
import {
  createServer,
  type IncomingMessage,
  type RequestListener,
  type Server,
  type ServerResponse,
} from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { createRandom } from '../../../services/lib/sampling/random.js';
import { askOn, learnAnswers } from '../../../scripts/lib/chaos/good-clients.js';
import { doHarm, type HostileKind } from '../../../scripts/lib/chaos/hostile-clients.js';
import { Ledger, type Endings } from '../../../scripts/lib/chaos/report.js';

const never = new AbortController().signal;
// Every request of a flood listens.
setMaxListeners(0, never);

describe('clients of chaos', () => {
  let server: Server;
  let url: string;
  let listener: RequestListener;
  beforeEach(async () => {
    server = createServer((request, response) => listener(request, response)).listen(0, '127.0.0.1');
    await once(server, 'listening');
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });
  afterEach(() => {
    server.closeAllConnections();
    server.close();
  });

  const answer = (response: ServerResponse, status: number, body: object, headers = {}): void => {
    response.writeHead(status, { 'content-type': 'application/json', connection: 'close', ...headers });
    response.end(JSON.stringify(body));
  };
  const completion = (content: string): object => ({ choices: [{ text: content, finish_reason: 'length' }] });
  /** As OpenAI's servers do, in as many events as it has letters; cut short where asked. */
  const speak = async (
    request: IncomingMessage,
    response: ServerResponse,
    content: string,
    cut = false,
  ): Promise<void> => {
    const { stream } = JSON.parse(await text(request)) as { stream?: boolean };
    if (stream !== true) {
      answer(response, 200, completion(content));
      return;
    }
    for (const letter of content) response.write(`data: {"choices":[{"text":"${letter}"}]}\n\n`);
    if (!cut) response.write('data: {"choices":[{"text":"","finish_reason":"length"}]}\n\n');
    response.end('data: [DONE]\n\n');
  };

  describe('that behave well', () => {
    /** What becomes of requests while the server does as the listener says, having said "yes" before. */
    const askWhile = async (disturbed: RequestListener, requests = 8): Promise<Endings[]> => {
      listener = (request, response) => void speak(request, response, 'yes');
      const answers = await learnAnswers(url, never);
      const ledger = new Ledger();
      const stop = new AbortController();
      let seen = 0;
      listener = (request, response) => {
        if (++seen >= requests) stop.abort();
        disturbed(request, response);
      };
      await askOn(url, answers, { seed: 1, ledger, stop: stop.signal, signal: never });
      return ledger.endings;
    };

    it('know an answer again, streamed or not', async () => {
      const endings = await askWhile((request, response) => void speak(request, response, 'yes'));
      expect(endings).toMatchObject([{ kind: 'good', answered: 8, changed: 0, failed: 0 }]);
    });

    it('notice another text', async () => {
      const [{ answered, changed, reasons }] = (await askWhile(
        (request, response) => void speak(request, response, 'no'),
      )) as [Endings];
      expect({ answered, changed, reasons }).toEqual({
        answered: 0,
        changed: 8,
        reasons: ['"no" for "yes"'],
      });
    });

    it('notice a stream that breaks off, though all of its text has come', async () => {
      const [{ answered, failed, reasons }] = (await askWhile(
        (request, response) => void speak(request, response, 'yes', true),
        16,
      )) as [Endings];
      expect(answered).toBeGreaterThan(0);
      expect(failed).toBeGreaterThan(0);
      const story =
        /^a stream broke off after 3 characters \(0 times told to come later, an answer begun after /;
      for (const reason of reasons) expect(reason).toMatch(story);
    });

    it('come again when they are told to, and fail where they are not told when', async () => {
      let calls = 0;
      const busy: RequestListener = (request, response) => {
        if (++calls % 2 === 0) return void speak(request, response, 'yes');
        answer(response, 429, {}, { 'retry-after': '0.01' });
      };
      expect(await askWhile(busy, 4)).toMatchObject([{ answered: 2, failed: 0 }]);
      expect(await askWhile((_, response) => answer(response, 429, {}), 1)).toMatchObject([{ failed: 1 }]);
    });
  });

  describe('that are hostile', () => {
    const harm = async (kind: HostileKind, seed = 1): Promise<Endings[]> => {
      const ledger = new Ledger();
      await doHarm(kind, ledger, { url, random: createRandom(seed), signal: never });
      return ledger.endings;
    };

    it('are owed an answer after half of the connection is closed', async () => {
      listener = (request, response) => void speak(request, response, 'yes');
      expect(await harm('half-close')).toMatchObject([{ answered: 1, failed: 0 }]);
      listener = (request) => request.socket.destroy();
      expect(await harm('half-close')).toMatchObject([{ failed: 1, reasons: ['no byte came'] }]);
    });

    it('may be refused in a flood, if they are told for how long', async () => {
      let calls = 0;
      listener = (_, response) => {
        const kind = calls++ % 4;
        if (kind === 0) answer(response, 200, completion('yes'));
        else if (kind === 1) answer(response, 429, {}, { 'retry-after': '1' });
        else answer(response, kind === 2 ? 429 : 503, {});
      };
      expect(await harm('flood')).toMatchObject([{ answered: 60, refused: 60, failed: 120 }]);
    });

    it('have something else that cannot be served with every seed', async () => {
      const bodies = new Set<string>();
      const noted = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
        bodies.add(await text(request));
        answer(response, 400, {});
      };
      listener = (request, response) => void noted(request, response);
      for (let seed = 0; seed < 40; seed++) await harm('bad-input', seed);
      expect(bodies.size).toBeGreaterThan(10);
    });

    it.each(['bad-input', 'long-word'] as const)('deserve 4xx for %s, and no 5xx', async (kind) => {
      listener = (_, response) => answer(response, 400, {});
      expect((await harm(kind))[0]!.failed).toBe(0);
      listener = (_, response) => answer(response, 500, {});
      expect((await harm(kind))[0]!.refused).toBe(0);
      listener = (_, response) => answer(response, 200, {});
      expect((await harm(kind))[0]!.refused).toBe(0);
    });

    it('send forty requests on one connection, and close it', async () => {
      const sockets = new Set<unknown>();
      const closed: Promise<unknown>[] = [];
      listener = (request, response) => {
        if (!sockets.has(request.socket)) closed.push(once(request.socket, 'close'));
        sockets.add(request.socket);
        response.write('data: \n\n');
      };
      expect(await harm('pipeline')).toMatchObject([{ left: 40, failed: 0 }]);
      await Promise.all(closed);
      expect(sockets.size).toBe(1);
    });

    it('vanish at another place with another seed', async () => {
      const bodies = new Set<string>();
      listener = (request, response) => {
        let body = '';
        request.on('data', (piece: Buffer) => (body += piece.toString()));
        request.once('close', () => bodies.add(body));
        request.once('end', () => response.write('data: \n\n'.repeat(12)));
      };
      for (let seed = 0; seed < 12; seed++) expect(await harm('vanish', seed)).toMatchObject([{ left: 1 }]);
      expect(bodies.size).toBeGreaterThan(2);
    });
  });
});
