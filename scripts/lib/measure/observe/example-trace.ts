import { randomBytes } from 'node:crypto';
import { ServingError } from '../../../../services/lib/errors/serving-error.js';
import { SPANS } from '../../../../services/lib/telemetry/names.js';
import type { SystemOptions } from '../../local/local-system.js';
import type { TelemetryPrograms } from '../../local/telemetry/programs.js';
import { findTrace, type JaegerTrace } from '../../local/telemetry/traces.js';
import { waitUntil } from '../../wait-until.js';
import { load, withSystem } from './systems.js';

const EXPORTED_MS = 30_000;

const request = {
  model: 'default',
  messages: [{ role: 'user', content: 'Why is the sky blue? Answer in one sentence.' }],
  max_tokens: 64,
  temperature: 0,
};

/** The trace of one chat request beside three others that run, as Jaeger has it. */
export async function exampleTrace(
  plan: SystemOptions,
  programs: TelemetryPrograms,
  signal: AbortSignal,
): Promise<JaegerTrace> {
  return withSystem({ ...plan, telemetry: programs }, null, signal, async (system) => {
    const others = { clients: 3, requests: 1, promptTokens: 32, outputTokens: 128 };
    await load(system.url, { ...others, outputTokens: 8, seed: 1 }, signal);
    const id = randomBytes(16).toString('hex');
    await Promise.all([load(system.url, { ...others, seed: 2 }, signal), ask(system.url, id, signal)]);
    return whole(system.telemetry!.urls.jaeger!, id, plan.split.length + 1, signal);
  });
}

async function ask(url: string, traceId: string, signal: AbortSignal): Promise<void> {
  const response = await fetch(`${url}/v1/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', traceparent: `00-${traceId}-${'1'.repeat(16)}-01` },
    body: JSON.stringify(request),
    signal,
  });
  if (!response.ok) throw new Error(`the example failed: ${await response.text()}`);
  await response.text();
}

/** Waits until all stages have told of the end of the sequence. */
async function whole(jaeger: string, id: string, stages: number, signal: AbortSignal): Promise<JaegerTrace> {
  const look = async (): Promise<JaegerTrace | null> => {
    const trace = await findTrace(jaeger, id, signal);
    const names = trace?.spans.map(({ operationName }) => operationName) ?? [];
    const closed = names.filter((name) => name === SPANS.stageSequence).length;
    return closed === stages && names.some((name) => name.startsWith('POST ')) ? trace : null;
  };
  const trace = await waitUntil(look, { every: 200, limit: EXPORTED_MS, signal });
  if (trace !== null) return trace;
  throw new ServingError('process_failed', `the trace ${id} did not come to Jaeger whole`);
}
