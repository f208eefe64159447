import { setTimeout as delay } from 'node:timers/promises';
import { postJson } from '../measure/http-target.js';
import type { FaultKind } from './plan.js';
import { RawConnection, requestText } from './raw-connection.js';
import type { Ending, Ledger } from './report.js';
import { BAD_REQUESTS, described, isBusy, postPatiently } from './requests.js';

/** Where clients do harm, and by what numbers. */
interface Scene {
  readonly url: string;
  /** Uniform numbers in [0, 1), of the fault's own seed. */
  readonly random: () => number;
  /** Ends whatever still goes on. */
  readonly signal: AbortSignal;
}

/** What became of a request, and why where that is no good end. */
type Outcome = Ending | readonly [Ending, reason: string];

export type HostileKind = Exclude<FaultKind, 'kill' | 'stop'>;

/** What each kind of hostile client does once: some requests at the same time. */
const kinds: Readonly<Record<HostileKind, (scene: Scene) => Promise<Outcome>[]>> = {
  pipeline,
  vanish,
  'half-close': halfClose,
  'slow-read': slowRead,
  'slow-send': slowSend,
  flood,
  'long-word': longWord,
  'bad-input': badInput,
};

/**
 * Does what clients of a kind do, and counts what becomes of it. Never rejects but when the signal aborts: what was
 * broken off then was left, any other that broke has failed.
 */
export async function doHarm(kind: HostileKind, ledger: Ledger, scene: Scene): Promise<void> {
  const { signal } = scene;
  const broken = (reason: unknown): Outcome => (signal.aborted ? 'left' : ['failed', String(reason)]);
  const count = async (request: Promise<Outcome>): Promise<void> => {
    const outcome = await request.catch(broken);
    const [ending, reason] = typeof outcome === 'string' ? [outcome] : outcome;
    ledger.add(kind, ending, reason);
  };
  await Promise.all(kinds[kind](scene).map(count));
  signal.throwIfAborted();
}

const PATH = '/v1/completions';
const CHAT = '/v1/chat/completions';
const ANSWER_TIMEOUT_MS = 180_000;
const MAX_TOKENS = 200;

const completion = (body: object): string =>
  JSON.stringify({ model: 'default', max_tokens: MAX_TOKENS, ...body });
const between = (random: () => number, low: number, high: number): number => low + random() * (high - low);
const oneOf = <Item>(random: () => number, items: readonly Item[]): Item =>
  items[Math.floor(random() * items.length)]!;

/** Opens a connection and closes it whatever comes of the work. */
async function overConnection(
  { url }: Scene,
  work: (connection: RawConnection) => Promise<Outcome>,
): Promise<Outcome> {
  const connection = await RawConnection.open(url);
  try {
    return await work(connection);
  } finally {
    connection.vanish(false);
  }
}

/** Forty requests at once on one connection, which is closed when the first is answered, or before. */
function pipeline(scene: Scene): Promise<Outcome>[] {
  const { random, signal } = scene;
  const stream = random() < 0.75;
  const one = requestText(PATH, completion({ prompt: 'A pipe is', stream, ignore_eos: true }));
  const all = overConnection(scene, async (connection) => {
    connection.listen().send(one.repeat(40));
    await connection.until((received) => received.includes('data: '), between(random, 0, 4_000), signal);
    connection.vanish(random() < 0.5);
    return 'left';
  });
  return Array<Promise<Outcome>>(40).fill(all);
}

/** Goes away with no goodbye: after the head, within the body, after it, or within the answer. */
function vanish(scene: Scene): Promise<Outcome>[] {
  const { random, signal } = scene;
  const body = completion({ prompt: 'Somebody who went away', stream: true, ignore_eos: true });
  const whole = requestText(PATH, body);
  const head = whole.length - body.length;
  const sent = oneOf(random, [head, head + Math.floor(random() * body.length), whole.length, whole.length]);
  const one = overConnection(scene, async (connection) => {
    connection.listen().send(whole.slice(0, sent));
    const events = Math.floor(between(random, 0, 12));
    const enough = (received: string): boolean => received.split('data: ').length > events;
    await connection.until(enough, sent === whole.length ? 10_000 : between(random, 0, 500), signal);
    connection.vanish(random() < 0.5);
    return 'left';
  });
  return [one];
}

/** Closes its sending half after the request, and is owed an answer all the same. */
function halfClose(scene: Scene): Promise<Outcome>[] {
  const stream = scene.random() < 0.5;
  const body = completion({ prompt: 'Half of a door', stream, max_tokens: 8 });
  const one = overConnection(scene, async (connection) => {
    connection.listen().send(requestText(PATH, body));
    connection.halfClose();
    await connection.until(() => connection.ended, ANSWER_TIMEOUT_MS, scene.signal);
    const [head = ''] = connection.received.split('\r\n');
    if (head.includes(' 429 ')) return 'refused';
    if (connection.received.includes('"finish_reason":"')) return 'answered';
    return ['failed', head === '' ? 'no byte came' : head];
  });
  return [one];
}

/** Takes a byte a second of what it asked for, or nothing of many large answers, and goes away. */
function slowRead(scene: Scene): Promise<Outcome>[] {
  const { random, signal } = scene;
  const messages = [{ role: 'user', content: 'Tell me a long story.' }];
  const long = { messages, stream: true, ignore_eos: true, logprobs: true, top_logprobs: 20 };
  const asked = [
    ...Array<string>(12).fill(requestText(CHAT, completion(long))),
    ...Array<string>(4).fill(requestText('/metrics').repeat(500)),
  ];
  return asked.map((text) =>
    overConnection(scene, async (connection) => {
      connection.send(text);
      for (let left = between(random, 10, 25); left > 0 && !connection.ended; left--) {
        await delay(1_000, undefined, { signal });
        connection.takeByte();
      }
      return 'left';
    }),
  );
}

/** Sends a few bytes a second of heads and of bodies, and goes away before the end; or is sent away. */
function slowSend(scene: Scene): Promise<Outcome>[] {
  const { random, signal } = scene;
  const body = completion({ prompt: 'Slowly '.repeat(20) });
  const whole = requestText(PATH, body);
  return Array.from({ length: 40 }, (_, index) =>
    overConnection(scene, async (connection) => {
      connection.listen();
      const start = index % 2 === 0 ? 0 : whole.length - body.length;
      connection.send(whole.slice(0, start));
      const seconds = between(random, 5, 20);
      for (let second = 0; second < seconds && !connection.ended; second++) {
        connection.send(whole.slice(start + 2 * second, start + 2 * second + 2));
        await delay(1_000, undefined, { signal });
      }
      return connection.ended ? 'refused' : 'left';
    }),
  );
}

/** More requests at once than are let in and let wait: each is answered, or told when to come again. */
function flood({ url, signal }: Scene): Promise<Outcome>[] {
  const body = completion({ prompt: 'Water', max_tokens: 2, ignore_eos: true });
  return Array.from({ length: 240 }, async (): Promise<Outcome> => {
    const response = await postJson(url + PATH, body, signal);
    const end = await described(response);
    if (response.statusCode === 200) return 'answered';
    return isBusy(response) ? 'refused' : ['failed', end];
  });
}

/**
 * A prompt that is one long word, with no space to cut it at: beyond any context, or, where the tokenizer has tokens of
 * many spaces, within it after all.
 */
function longWord(scene: Scene): Promise<Outcome>[] {
  const { random } = scene;
  const prompt = oneOf(random, ['a', 'é', '0', ' ']).repeat(between(random, 150_000, 250_000));
  const [path, body] = oneOf(random, [
    [PATH, { prompt }],
    [CHAT, { messages: [{ role: 'user', content: prompt }] }],
  ] as const);
  const clients = Math.ceil(between(random, 0, 4));
  return Array.from({ length: clients }, () => refusal(scene, path, body, true));
}

/** Something that cannot be served. */
function badInput(scene: Scene): Promise<Outcome>[] {
  return [refusal(scene, ...oneOf(scene.random, BAD_REQUESTS))];
}

/** 4xx is the answer that it deserves, or, where it may be right, one of its own. */
async function refusal(
  { url, signal }: Scene,
  path: string,
  body: string | object,
  mayBeRight = false,
): Promise<Outcome> {
  const response = await postPatiently(url + path, body, signal);
  const end = await described(response);
  const { statusCode = 0 } = response;
  if (statusCode >= 400 && statusCode < 500) return 'refused';
  if (statusCode === 200 && mayBeRight) return 'answered';
  return ['failed', `${path} ${JSON.stringify(body).slice(0, 80)}: ${end}`];
}
