import { json } from 'node:stream/consumers';
import { createRandom } from '../../../services/lib/sampling/random.js';
import { SseData } from '../measure/http-target.js';
import { GOOD, type Ledger } from './report.js';
import { within } from '../wait-until.js';
import { described, postPatiently } from './requests.js';

/** Something to ask, and what is answered when nothing is disturbed. */
interface KnownAnswer {
  readonly path: string;
  readonly body: object;
  readonly text: string;
}

const REQUEST_TIMEOUT_MS = 180_000;
/** Every token, also where the model would rather end: longer answers meet more faults. */
const GREEDY = { model: 'default', temperature: 0, max_tokens: 32, ignore_eos: true };
const TEXTS = [
  'Once upon a time there was a small machine that wanted to count all the stars.',
  'The three most important rules of a kitchen are',
  'Why is the sky blue?',
  'Write a list of ten animals, one on each line. 1. cat 2. dog 3. cat 4. dog',
  'for (let index = 0; index < 10; index++) {',
  `A letter from the harbour. ${'The ships come and go, and nobody counts them. '.repeat(12)}`,
];
const QUESTIONS = TEXTS.flatMap((prompt) => [
  { path: '/v1/completions', body: { ...GREEDY, prompt } },
  { path: '/v1/chat/completions', body: { ...GREEDY, messages: [{ role: 'user', content: prompt }] } },
]);

/** Asks a system that nothing disturbs for what it answers. */
export async function learnAnswers(url: string, signal: AbortSignal): Promise<KnownAnswer[]> {
  const answers: KnownAnswer[] = [];
  for (const { path, body } of QUESTIONS) {
    answers.push({ path, body, text: (await ask(url, { path, body, stream: false }, signal)).text });
  }
  return answers;
}

/**
 * Asks one question after the other, as a stream or not, until told to stop; what runs then is let end. Returns the
 * longest silence within each stream, milliseconds.
 */
export async function askOn(
  url: string,
  answers: readonly KnownAnswer[],
  { seed, ledger, stop, signal }: { seed: number; ledger: Ledger; stop: AbortSignal; signal: AbortSignal },
): Promise<number[]> {
  const random = createRandom(seed);
  const pauses: number[] = [];
  while (!stop.aborted) {
    const known = answers[Math.floor(random() * answers.length)]!;
    const stream = random() < 0.5;
    try {
      const { text, longestPause } = await ask(url, { ...known, stream }, signal);
      if (text === known.text) ledger.add(GOOD, 'answered');
      else ledger.add(GOOD, 'changed', `${JSON.stringify(text)} for ${JSON.stringify(known.text)}`);
      if (longestPause !== null) pauses.push(longestPause);
    } catch (reason) {
      signal.throwIfAborted();
      ledger.add(GOOD, 'failed', reason instanceof Error ? reason.message : String(reason));
    }
  }
  return pauses;
}

interface Answer {
  readonly text: string;
  /** Null where nothing was streamed. */
  readonly longestPause: number | null;
}

/** What has become of a request so far: for the message of one that fails. */
class Progress {
  refusals = 0;
  admittedAt: number | null = null;
  characters = 0;
  readonly #start = performance.now();

  toString(): string {
    const { refusals, admittedAt, characters } = this;
    const admitted =
      admittedAt === null ? 'no answer begun' : `an answer begun after ${this.#at(admittedAt)}`;
    return `${refusals} times told to come later, ${admitted}, ${characters} characters, ${this.#at(performance.now())} in all`;
  }

  #at(now: number): string {
    return `${((now - this.#start) / 1_000).toFixed(1)} s`;
  }
}

/** Throws whatever is not a whole answer. */
async function ask(
  url: string,
  { path, body, stream }: { path: string; body: object; stream: boolean },
  signal: AbortSignal,
): Promise<Answer> {
  const progress = new Progress();
  try {
    return await within(REQUEST_TIMEOUT_MS, signal, async (limit) => {
      const refused = (): number => ++progress.refusals;
      const response = await postPatiently(`${url}${path}`, { ...body, stream }, limit, refused);
      progress.admittedAt = performance.now();
      if (response.statusCode !== 200) throw new Error(await described(response));
      if (!stream) return { text: textOf((await json(response)) as Completion), longestPause: null };
      return readStream(response, progress);
    });
  } catch (reason) {
    signal.throwIfAborted();
    throw new Error(`${reason instanceof Error ? reason.message : String(reason)} (${String(progress)})`, {
      cause: reason,
    });
  }
}

async function readStream(pieces: AsyncIterable<unknown>, progress: Progress): Promise<Answer> {
  const decoder = new TextDecoder();
  const data = new SseData();
  let text = '';
  let ended = false;
  let last: number | null = null;
  let longestPause = 0;
  for await (const piece of pieces) {
    const now = performance.now();
    if (last !== null) longestPause = Math.max(longestPause, now - last);
    last = now;
    for (const event of data.push(decoder.decode(piece as Buffer, { stream: true }))) {
      const chunk = JSON.parse(event) as Completion;
      text += textOf(chunk);
      progress.characters = text.length;
      ended ||= typeof chunk.choices?.[0]?.finish_reason === 'string';
    }
  }
  if (!ended) throw new Error(`a stream broke off after ${text.length} characters`);
  return { text, longestPause };
}

/** As much as is read of OpenAI's completions, chat completions, chunks of both, and errors. */
interface Completion {
  readonly choices?: readonly {
    readonly text?: string;
    readonly message?: { readonly content: string | null };
    readonly delta?: { readonly content?: string | null };
    readonly finish_reason?: string | null;
  }[];
  readonly error?: { readonly code: string; readonly message: string };
}

function textOf({ choices, error }: Completion): string {
  if (error !== undefined) throw new Error(`${error.code}: ${error.message}`);
  const choice = choices?.[0];
  return choice?.text ?? choice?.message?.content ?? choice?.delta?.content ?? '';
}
