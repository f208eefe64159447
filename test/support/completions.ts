/** Greedy token ids from `/v1/completions` for a prompt of token ids, whatever the model thinks of stopping. */
export async function greedyTokens(url: string, prompt: readonly number[], count: number): Promise<number[]> {
  const answer = await post(`${url}/v1/completions`, {
    prompt,
    max_tokens: count,
    temperature: 0,
    ignore_eos: true,
    return_token_ids: true,
  });
  const body = (await answer.json()) as { choices: { token_ids: number[] }[] };
  if (!answer.ok) throw new Error(`${answer.status}: ${JSON.stringify(body)}`);
  return body.choices[0]!.token_ids;
}

export function post(url: string, body: unknown, signal?: AbortSignal): Promise<Response> {
  return fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: typeof body === 'string' ? body : JSON.stringify(body),
    ...(signal === undefined ? {} : { signal }),
  });
}

/** The error of an OpenAI error body. */
export async function errorOf(
  answer: Response,
): Promise<{ status: number; code: string; message: string; type: string }> {
  const { error } = (await answer.json()) as { error: { code: string; message: string; type: string } };
  return { status: answer.status, ...error };
}

/** A greedy stream as its client sees it. */
export interface RunningStream {
  readonly route: string;
  /** Token ids that have come; grows. */
  readonly tokens: readonly number[];
  /** Resolves at `[DONE]`; rejects with whatever else ends the stream. */
  readonly done: Promise<void>;
}

/** Begins a greedy stream of `count` tokens; resolves once it has a route. */
export async function startStream(
  url: string,
  prompt: readonly number[],
  count: number,
  signal?: AbortSignal,
): Promise<RunningStream> {
  const response = await post(
    `${url}/v1/completions`,
    {
      prompt,
      max_tokens: count,
      temperature: 0,
      ignore_eos: true,
      return_token_ids: true,
      stream: true,
    },
    signal,
  );
  if (!response.ok) throw new Error(`${response.status}: ${await response.text()}`);
  const tokens: number[] = [];
  const done = collectTokens(response, tokens);
  // Whoever looks at it late still finds the rejection.
  done.catch(() => undefined);
  return { route: response.headers.get('x-layermesh-route')!, tokens, done };
}

async function collectTokens(response: Response, tokens: number[]): Promise<void> {
  for await (const data of eventsOf(response)) {
    if (data === '[DONE]') return;
    const { choices, error } = JSON.parse(data) as StreamEvent;
    if (error !== undefined) throw new Error(`${error.code}: ${error.message}`);
    tokens.push(...(choices?.[0]?.token_ids ?? []));
  }
  throw new Error('the stream ended without [DONE]');
}

interface StreamEvent {
  readonly choices?: readonly { readonly token_ids?: readonly number[] }[];
  readonly error?: { readonly code: string; readonly message: string };
}

/** The data of each server-sent event; comments are left out. */
export async function* eventsOf(response: Response): AsyncGenerator<string> {
  let rest = '';
  for await (const text of response.body!.pipeThrough(new TextDecoderStream())) {
    const events = (rest + text).split('\n\n');
    rest = events.pop()!;
    for (const event of events) if (event.startsWith('data: ')) yield event.slice('data: '.length);
  }
}
