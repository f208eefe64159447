import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { addAbortSignal } from 'node:stream';
import { ServingError } from '../../../services/lib/errors/serving-error.js';
import { within } from '../wait-until.js';

/** A Redis that is there already, as the state store behind Dapr. */
export interface RedisStore {
  readonly host: string;
  readonly port: number;
  /** Empty where none is to be shown. */
  readonly username: string;
  readonly password: string;
  readonly database: number;
}

const REDIS_PORT = 6_379;

/** `sqlite` is a file of each run's own. */
export type StateStore = RedisStore | 'sqlite';

/** Throws `invalid_config` for what is neither that nor a Redis. */
export function parseStateStore(text: string): StateStore {
  if (text === 'sqlite') return text;
  try {
    const { protocol, hostname, port, username, password, pathname, search, hash } = new URL(text);
    const [, database = ''] = /^\/?(\d{0,5})$/.exec(pathname)!;
    if (protocol !== 'redis:' || hostname === '' || port === '0' || search + hash !== '') throw invalid();
    return {
      host: hostname,
      port: port === '' ? REDIS_PORT : Number(port),
      username: decodeURIComponent(username),
      password: decodeURIComponent(password),
      database: Number(database),
    };
  } catch {
    throw invalid();
  }
}

/** What was given is not shown: there may be a password in it. */
const invalid = (): ServingError =>
  new ServingError('invalid_config', '--state is neither sqlite nor the address of a Redis', {
    hint: 'such as redis://127.0.0.1:6379, or redis://user:password@127.0.0.1:6379/1',
  });

/** A Redis that does not answer for so long is not there, ms. */
const REACH_MS = 3_000;

/**
 * Throws `invalid_config` unless a Redis answers there and lets us in: a sidecar that cannot reach its store only says
 * so in its log, and the system would never be ready.
 */
export async function requireStateStore(
  store: RedisStore,
  signal: AbortSignal,
  limitMs = REACH_MS,
): Promise<void> {
  const late = unreachable(store, `no answer within ${limitMs / 1000} s`);
  const greeting = within(limitMs, signal, (limit) => greet(store, limit), late);
  const answers = await greeting.catch((error: unknown) => {
    signal.throwIfAborted();
    throw error === late ? late : unreachable(store, reasonOf(error), error);
  });
  const refusal = answers.find((answer) => !answer.startsWith('+'));
  if (refusal === undefined) return;
  // Whatever else listens there may answer anything at all.
  if (!refusal.startsWith('-')) throw unreachable(store, 'what listens there is no Redis');
  const problem = `the Redis at ${addressOf(store)} refuses: ${refusal.slice(1, 200)}`;
  throw new ServingError('invalid_config', problem, {
    hint: 'give its user and password in --state: redis://user:password@host:port/database',
  });
}

/** Where several addresses of one name were tried, Node gives a code and no message. */
function reasonOf(error: unknown): string {
  const { message, code } = error as NodeJS.ErrnoException;
  return message === '' ? String(code) : message;
}

const unreachable = (store: RedisStore, why: string, cause?: unknown): ServingError =>
  new ServingError('invalid_config', `no Redis can be reached at ${addressOf(store)}: ${why}`, {
    hint: 'start it, or leave --state away: each run has an SQLite file of its own',
    cause,
  });

const addressOf = ({ host, port }: RedisStore): string => `${host}:${port}`;

/** The lines by which it answers to who we are, to the database, and to a ping. */
async function greet(store: RedisStore, signal: AbortSignal): Promise<string[]> {
  const { host, port, username, password, database } = store;
  const commands = [
    ...(password === '' ? [] : [['AUTH', ...(username === '' ? [] : [username]), password]]),
    ['SELECT', String(database)],
    ['PING'],
  ];
  // URLs write an address of IPv6 in brackets.
  const socket = connect({ host: host.replace(/^\[|\]$/g, ''), port });
  addAbortSignal(signal, socket);
  try {
    await once(socket, 'connect');
    socket.write(commands.map(encode).join(''));
    return await firstLines(socket, commands.length);
  } finally {
    socket.destroy();
  }
}

/** A command as a client sends it (redis.io/docs/latest/develop/reference/protocol-spec). */
const encode = (words: readonly string[]): string =>
  [`*${words.length}`, ...words.flatMap((word) => [`$${Buffer.byteLength(word)}`, word]), ''].join('\r\n');

const MAX_GREETING = 4_096;

/** The first lines that come, no more than `count`. */
async function firstLines(socket: Socket, count: number): Promise<string[]> {
  let text = '';
  for await (const chunk of socket) {
    text += String(chunk);
    if (text.split('\r\n').length > count || text.length > MAX_GREETING) break;
  }
  const lines = text.split('\r\n').slice(0, -1);
  const isWelcome = lines.every((line) => line.startsWith('+'));
  if (isWelcome && lines.length < count) throw new Error('it closed the connection');
  return lines.slice(0, count);
}

/** A component of Dapr that is a state store, as it stands in a file. */
export function isStateStore(document: unknown): boolean {
  const { kind, spec } = (document ?? {}) as { kind?: string; spec?: { type?: string } };
  return kind === 'Component' && spec?.type?.startsWith('state.') === true;
}

/**
 * The component with a Redis in the place of what it named. All its keys begin with `prefix`: others have theirs there
 * too, and two systems that saw each other's replicas would look for them.
 */
export function inRedis(component: unknown, store: RedisStore, prefix: string): unknown {
  const { spec, ...rest } = component as { spec: object };
  const { username, password, database } = store;
  const metadata: Record<string, string> = {
    redisHost: addressOf(store),
    redisUsername: username,
    redisPassword: password,
    redisDB: String(database),
    keyPrefix: prefix,
  };
  const items = Object.entries(metadata).map(([name, value]) => ({ name, value }));
  return { ...rest, spec: { ...spec, type: 'state.redis', version: 'v1', metadata: items } };
}
