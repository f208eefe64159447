import type { PlannedRequest, RequestRecord, Schedule } from '../types.js';
import type { Send } from './send.js';

type Injection = Extract<Schedule, { type: 'injection' }>;

/** Sends the long request alone, then beside requests that are running. */
export async function runInjection(
  { alone, running, afterTokens, injected }: Injection,
  send: Send,
): Promise<RequestRecord[]> {
  const first = await send(alone);
  const started = running.map((planned) => startRunning(planned, afterTokens, send));
  await Promise.all(started.map(({ settled }) => settled));
  const last = await send(injected);
  return [first, ...(await Promise.all(started.map(({ record }) => record))), last];
}

/** `settled` once it has so many tokens, or has ended: one that fails early must not keep the others waiting. */
function startRunning(
  planned: PlannedRequest,
  afterTokens: number,
  send: Send,
): { record: Promise<RequestRecord>; settled: Promise<unknown> } {
  let settle: (value?: unknown) => void = () => undefined;
  const settled = new Promise<unknown>((resolve) => (settle = resolve));
  const record = send(planned, (soFar) => {
    if (soFar >= afterTokens) settle();
  });
  return { record, settled: Promise.race([settled, record]) };
}
