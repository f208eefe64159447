import { setTimeout as delay } from 'node:timers/promises';
import { postJson } from '../measure/http-target.js';
import { BAD_REQUESTS, described, isBusy, postPatiently } from './requests.js';
import type { Ledger } from './report.js';
import type { FaultKind } from './plan.js';
import { RawConnection, requestText } from './raw-connection.js';

/** Where clients do harm, by what numbers, and who counts what becomes of them. */
export interface Scene {
  readonly url: string;
  /** Uniform numbers in [0, 1), of the fault's own seed. */
  readonly random: () => number;
  readonly ledger: Ledger;
  /** Ends whatever still goes on. */
  readonly signal: AbortSignal;
}

export type HostileKind = Exclude<FaultKind, 'kill' | 'stop'>;

/** What each kind of hostile client does once. They never reject but when the signal aborts. */
export const hostileClients: Readonly<Record<HostileKind, (scene: Scene) => Promise<void>>> = {
  pipeline,
  vanish,
  'half-close': halfClose,
  'slow-read': slowRead,
  'slow-send': slowSend,
  flood,
  'long-word': longWord,
  'bad-input': badInput,
};

const PATH = '/v1/completions';
const ANSWER_TIMEOUT_MS = 180_000;
const MAX_TOKENS = 200;

const completion = (body: object): string =>
  JSON.stringify({ model: 'default', max_tokens: MAX_TOKENS, ...body });
const between = (random: () => number, low: number, high: number): number => low + random() * (high - low);
const oneOf = <Item>(random: () => number, items: readonly Item[]): Item =>
  items[Math.floor(random() * items.length)]!;

/** Opens a connection and closes it whatever comes of the work. */
async function withConnection(
  { url, ledger, signal }: Scene,
  kind: HostileKind,
  work: (connection: RawConnection) => Promise<void>,
): Promise<void> {
  try {
    const connection = await RawConnection.open(url);
    try {
      await work(connection);
    } finally {
      connection.vanish(false);
    }
  } catch (reason) {
    tell(kind, reason, ledger, signal);
  }
}

/** A request that was broken off at the end of the run was left; any other has failed. */
function tell(kind: HostileKind, reason: unknown, ledger: Ledger, signal: AbortSignal): void {
  ledger.add(kind, signal.aborted ? 'left' : 'failed', signal.aborted ? undefined : String(reason));
  signal.throwIfAborted();
}

/** Forty requests at once on one connection, which is closed when the first is answered, or before. */
async function pipeline(scene: Scene): Promise<void> {
  const { random, ledger, signal } = scene;
  const stream = random() < 0.75;
  const requests = 40;
  await withConnection(scene, 'pipeline', async (connection) => {
    const one = requestText(PATH, completion({ prompt: 'A pipe is', stream, ignore_eos: true }));
    connection.listen().send(one.repeat(requests));
    await connection.until((received) => received.includes('data: '), between(random, 0, 4_000), signal);
    connection.vanish(random() < 0.5);
    for (let index = 0; index < requests; index++) ledger.add('pipeline', 'left');
  });
}

/** Goes away with no goodbye: after the head, within the body, after it, or within the answer. */
async function vanish(scene: Scene): Promise<void> {
  const { random, ledger, signal } = scene;
  const body = completion({ prompt: 'Somebody who went away', stream: true, ignore_eos: true });
  const whole = requestText(PATH, body);
  const head = whole.length - body.length;
  const sent = oneOf(random, [head, head + Math.floor(random() * body.length), whole.length, whole.length]);
  await withConnection(scene, 'vanish', async (connection) => {
    connection.listen().send(whole.slice(0, sent));
    const events = Math.floor(between(random, 0, 12));
    const enough = (received: string): boolean => received.split('data: ').length > events;
    await connection.until(enough, sent === whole.length ? 10_000 : between(random, 0, 500), signal);
    connection.vanish(random() < 0.5);
    ledger.add('vanish', 'left');
  });
}

/** Closes its sending half after the request, and is owed an answer all the same. */
async function halfClose(scene: Scene): Promise<void> {
  const { random, ledger, signal } = scene;
  const stream = random() < 0.5;
  const body = completion({ prompt: 'Half of a door', stream, max_tokens: 8 });
  await withConnection(scene, 'half-close', async (connection) => {
    connection.listen().send(requestText(PATH, body));
    connection.halfClose();
    await connection.until(() => connection.ended, ANSWER_TIMEOUT_MS, signal);
    const [head = ''] = connection.received.split('\r\n');
    if (head.includes(' 429 ')) ledger.add('half-close', 'refused');
    else if (connection.received.includes('"finish_reason":"')) ledger.add('half-close', 'answered');
    else ledger.add('half-close', 'failed', head === '' ? 'no byte came' : head);
  });
}

/** Takes a byte a second of what it asked for, or nothing of many large answers, and goes away. */
async function slowRead(scene: Scene): Promise<void> {
  const { random, ledger, signal } = scene;
  const body = completion({
    messages: [{ role: 'user', content: 'Tell me a long story.' }],
    stream: true,
    ignore_eos: true,
    logprobs: true,
    top_logprobs: 20,
  });
  const asked = [
    ...Array<string>(12).fill(requestText('/v1/chat/completions', body)),
    ...Array<string>(4).fill(requestText('/metrics').repeat(500)),
  ];
  await Promise.all(
    asked.map((text) =>
      withConnection(scene, 'slow-read', async (connection) => {
        connection.send(text);
        for (let left = between(random, 10, 25); left > 0 && !connection.ended; left--) {
          await delay(1_000, undefined, { signal });
          connection.takeByte();
        }
        ledger.add('slow-read', 'left');
      }),
    ),
  );
}

/** Sends a few bytes a second of heads and of bodies, and goes away before the end; or is sent away. */
async function slowSend(scene: Scene): Promise<void> {
  const { random, ledger, signal } = scene;
  const body = completion({ prompt: 'Slowly '.repeat(20) });
  const whole = requestText(PATH, body);
  const head = whole.length - body.length;
  await Promise.all(
    Array.from({ length: 40 }, (_, index) =>
      withConnection(scene, 'slow-send', async (connection) => {
        connection.listen();
        const start = index % 2 === 0 ? 0 : head;
        connection.send(whole.slice(0, start));
        const seconds = between(random, 5, 20);
        for (let second = 0; second < seconds && !connection.ended; second++) {
          connection.send(whole.slice(start + 2 * second, start + 2 * second + 2));
          await delay(1_000, undefined, { signal });
        }
        ledger.add('slow-send', connection.ended ? 'refused' : 'left');
      }),
    ),
  );
}

/** More requests at once than are let in and let wait: each is answered, or told when to come again. */
async function flood({ url, ledger, signal }: Scene): Promise<void> {
  const body = completion({ prompt: 'Water', max_tokens: 2, ignore_eos: true });
  const one = async (): Promise<void> => {
    const response = await postJson(url + PATH, body, signal);
    const end = await described(response);
    if (response.statusCode === 200) ledger.add('flood', 'answered');
    else if (isBusy(response)) ledger.add('flood', 'refused');
    else ledger.add('flood', 'failed', end);
  };
  await Promise.all(Array.from({ length: 240 }, () => countingFailures('flood', one, ledger, signal)));
}

/**
 * A prompt that is one long word, with no space to cut it at: beyond any context, or, where the tokenizer has tokens of
 * many spaces, within it after all.
 */
async function longWord(scene: Scene): Promise<void> {
  const { random } = scene;
  const prompt = oneOf(random, ['a', 'é', '0', ' ']).repeat(between(random, 150_000, 250_000));
  const [path, body] = oneOf(random, [
    [PATH, { prompt }],
    ['/v1/chat/completions', { messages: [{ role: 'user', content: prompt }] }],
  ] as const);
  const clients = Math.ceil(between(random, 0, 4));
  await Promise.all(
    Array.from({ length: clients }, () => expectRefusal(scene, 'long-word', path, body, true)),
  );
}

/** Something that cannot be served. */
async function badInput(scene: Scene): Promise<void> {
  await expectRefusal(scene, 'bad-input', ...oneOf(scene.random, BAD_REQUESTS));
}

/** 4xx is the answer that it deserves, or, where it may be right, one of its own. */
async function expectRefusal(
  { url, ledger, signal }: Scene,
  kind: HostileKind,
  path: string,
  body: string | object,
  mayBeRight = false,
): Promise<void> {
  const one = async (): Promise<void> => {
    const response = await postPatiently(url + path, body, signal);
    const end = await described(response);
    const { statusCode = 0 } = response;
    if (statusCode >= 400 && statusCode < 500) ledger.add(kind, 'refused');
    else if (statusCode === 200 && mayBeRight) ledger.add(kind, 'answered');
    else ledger.add(kind, 'failed', `${path} ${JSON.stringify(body).slice(0, 80)}: ${end}`);
  };
  await countingFailures(kind, one, ledger, signal);
}

async function countingFailures(
  kind: HostileKind,
  request: () => Promise<void>,
  ledger: Ledger,
  signal: AbortSignal,
): Promise<void> {
  try {
    await request();
  } catch (reason) {
    tell(kind, reason, ledger, signal);
  }
}
