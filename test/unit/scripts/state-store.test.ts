import { once } from 'node:events';
import { createServer, type AddressInfo, type Server } from 'node:net';
import {
  inRedis,
  isStateStore,
  parseStateStore,
  requireStateStore,
  type RedisStore,
} from '../../../scripts/lib/local/state-store.js';
import { upCommand } from '../../../scripts/lib/local/up-options.js';
import { thrownBy } from '../../support/thrown-by.js';

describe('the state store of a run', () => {
  it('is a file of its own, or a Redis', () => {
    const plain = { host: '127.0.0.1', port: 6_379, username: '', password: '', database: 0 };
    expect(parseStateStore('sqlite')).toBe('sqlite');
    expect(parseStateStore('redis://127.0.0.1')).toEqual(plain);
    expect(parseStateStore('redis://127.0.0.1:6380/')).toEqual({ ...plain, port: 6_380 });
    expect(parseStateStore('redis://:p%40ss@cache.example:1/12')).toEqual({
      host: 'cache.example',
      port: 1,
      username: '',
      password: 'p@ss',
      database: 12,
    });
    expect(parseStateStore('redis://me:secret@[::1]:6379')).toMatchObject({ host: '[::1]', username: 'me' });
  });

  it.each([
    'postgres',
    '',
    'redis',
    'redis://',
    'rediss://host',
    'http://host:6379',
    'redis://host:0',
    'redis://host:65536',
    'redis://host/name',
    'redis://host/1/2',
    'redis://host?db=1',
    'redis://:%@host',
    'host:6379',
  ])('is not %j, and no password is shown', (text) => {
    expect(() => parseStateStore(text)).toThrow(
      expect.objectContaining({
        code: 'invalid_config',
        message: '--state is neither sqlite nor the address of a Redis',
      }) as Error,
    );
  });

  it('is asked for by --state, and SQLite where it is not', async () => {
    const stateOf = async (...args: string[]): Promise<unknown> => {
      let state: unknown;
      const command = upCommand((options) => Promise.resolve(void (state = options.state)));
      await command.parseAsync(args, { from: 'user' });
      return state;
    };
    expect(await stateOf()).toBe('sqlite');
    expect(await stateOf('--state', 'sqlite')).toBe('sqlite');
    expect(await stateOf('--state', 'redis://127.0.0.1:7000')).toMatchObject({ port: 7_000 });
    expect((await thrownBy(() => stateOf('--state', 'mysql'))).code).toBe('invalid_config');
  });

  it('is the same component otherwise, with keys that are of this system alone', () => {
    const metadata = [{ name: 'connectionString', value: 'a.sqlite' }];
    const component = {
      apiVersion: 'dapr.io/v1alpha1',
      kind: 'Component',
      metadata: { name: 'statestore' },
      spec: { type: 'state.sqlite', version: 'v1', metadata },
    };
    const broker = { ...component, spec: { type: 'pubsub.redis' } };
    const policies = { ...component, kind: 'Resiliency' };
    expect([component, broker, policies, null].map(isStateStore)).toEqual([true, false, false, false]);
    const store = { host: 'there', port: 7_000, username: 'me', password: 'secret', database: 3 };
    expect(inRedis(component, store, 'layermesh-8000')).toEqual({
      ...component,
      spec: {
        type: 'state.redis',
        version: 'v1',
        metadata: [
          { name: 'redisHost', value: 'there:7000' },
          { name: 'redisUsername', value: 'me' },
          { name: 'redisPassword', value: 'secret' },
          { name: 'redisDB', value: '3' },
          { name: 'keyPrefix', value: 'layermesh-8000' },
        ],
      },
    });
  });
});

describe('a Redis that is to be used', () => {
  const { signal } = new AbortController();
  let server: Server;
  let heard = '';
  let answer: string | null = '';
  let store: RedisStore;

  beforeEach(async () => {
    heard = '';
    server = createServer((socket) => {
      socket.on('error', () => undefined);
      socket.on('data', (bytes) => {
        heard += bytes.toString();
        if (answer === '') socket.end();
        else if (answer !== null) socket.write(answer);
      });
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    store = { host: '127.0.0.1', port, username: '', password: '', database: 0 };
  });
  afterEach(() => server.close());

  it('is greeted as whoever it is given for', async () => {
    answer = '+OK\r\n+OK\r\n+PONG\r\n';
    await requireStateStore({ ...store, username: 'me', password: 'pässword', database: 2 }, signal);
    const words = ['*3 $4 AUTH $2 me $9 pässword', '*2 $6 SELECT $1 2', '*1 $4 PING'];
    expect(heard.split('\r\n')).toEqual([...words.join(' ').split(' '), '']);
    answer = '+OK\r\n+PONG\r\n';
    await requireStateStore(store, signal);
  });

  it.each([
    ['-NOAUTH Authentication required.\r\n-NOAUTH no\r\n', 'refuses: NOAUTH Authentication required.'],
    ['-ERR DB index is out of range\r\n+PONG\r\n', 'refuses: ERR DB index is out of range'],
    ['HTTP/1.1 400 Bad Request\r\n\r\n', 'what listens there is no Redis'],
    ['', 'it closed the connection'],
  ])('answers %j, which is told in one line', async (given, message) => {
    answer = given;
    const error = await thrownBy(() => requireStateStore(store, signal));
    expect(error.code).toBe('invalid_config');
    expect(error.message).toContain(message);
    expect(error.message).toContain(`127.0.0.1:${store.port}`);
  });

  it('that hangs is not waited for', async () => {
    answer = null;
    const error = await thrownBy(() => requireStateStore(store, signal, 50));
    expect(error.message).toContain('no answer within 0.05 s');
    expect(error.code).toBe('invalid_config');
  });

  it('that is not there is told of', async () => {
    server.close();
    await once(server, 'close');
    const error = await thrownBy(() => requireStateStore(store, signal));
    expect(error.code).toBe('invalid_config');
    expect(error.message).toContain('ECONNREFUSED');
    expect(error.hint).toContain('start it');
  });
});
