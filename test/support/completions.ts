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
