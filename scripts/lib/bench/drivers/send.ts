import type { PlannedRequest, PromptSource, RequestRecord, Target } from '../types.js';

/** Sends one request and tells what became of it; never rejects, except when the benchmark is stopped. */
export type Send = (planned: PlannedRequest, onTokens?: (soFar: number) => void) => Promise<RequestRecord>;

/** A server that has fallen silent ends a request after this. */
const REQUEST_TIMEOUT_MS = 600_000;

/** Times count from the making of the sender. */
export function createSend(target: Target, prompts: PromptSource, signal: AbortSignal): Send {
  const origin = performance.now();
  return async (planned, onTokens) => {
    const { kind, outputTokens } = planned;
    const prompt = prompts(planned);
    const limit = AbortSignal.any([signal, AbortSignal.timeout(REQUEST_TIMEOUT_MS)]);
    const tokens: number[] = [];
    const sent = performance.now() - origin;
    let error: string | null = null;
    try {
      await target.complete(
        { prompt, outputTokens },
        (count) => {
          const now = performance.now() - origin;
          for (let index = 0; index < count; index++) tokens.push(now);
          onTokens?.(tokens.length);
        },
        limit,
      );
      if (tokens.length !== outputTokens) error = `${tokens.length} tokens came, not ${outputTokens}`;
    } catch (reason) {
      signal.throwIfAborted();
      error = reason instanceof Error ? reason.message : String(reason);
    }
    return { kind, promptTokens: prompt.length, outputTokens, sent, tokens, error };
  };
}
