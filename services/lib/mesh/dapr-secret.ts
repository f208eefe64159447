import { z } from 'zod';
import type { DaprMeshConfig } from '../config/config.js';
import { ServingError } from '../errors/serving-error.js';

const CALL_TIMEOUT_MS = 5_000;

/** What the sidecar answers: a secret of one value has its own name in it, one of several the name of each. */
const answer = z.record(z.string(), z.string());

/**
 * A secret's value, from the sidecar's secret store: of several, the one named `keys`. Throws `sidecar_missing` with nothing
 * of the secret in its message.
 */
export async function readDaprSecret(
  { daprHttpPort, shows }: DaprMeshConfig,
  { store, name }: { readonly store: string; readonly name: string },
  signal: AbortSignal,
): Promise<string> {
  const failed = (problem: string, cause?: unknown): ServingError =>
    new ServingError('sidecar_missing', `the secret ${store}/${name} cannot be read: ${problem}`, {
      hint: 'check the sidecar and its secret store',
      cause,
    });
  const url = `http://127.0.0.1:${daprHttpPort}/v1.0/secrets/${store}/${name}`;
  const limit = AbortSignal.any([signal, AbortSignal.timeout(CALL_TIMEOUT_MS)]);
  const token = shows['dapr-api-token'];
  const headers = token === undefined ? {} : { 'dapr-api-token': token.reveal() };
  const response = await fetch(url, { headers, signal: limit }).catch((cause: unknown) => {
    throw failed('the sidecar does not answer', cause);
  });
  const body: unknown = await response.json().catch(() => null);
  if (!response.ok) throw failed(`HTTP ${response.status}`);
  const values = answer.safeParse(body).data ?? {};
  const value = values['keys'] ?? values[name];
  if (value === undefined) throw failed(`it has neither a value nor one named keys`);
  return value;
}
