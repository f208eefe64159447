import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import type { Kubectl } from './kubectl.js';

/** The Secrets of k8s/components/tokens. */
export const TOKEN_SECRETS = ['dapr-api-token', 'dapr-app-token', 'layermesh-mesh-token'] as const;

const APPLY_MS = 60_000;
const TOKEN_BYTES = 32;

/** Applies an overlay with a namespace of its own, into which go first the Secrets that its pods want. */
export async function applyOverlay(kubectl: Pick<Kubectl, 'run'>, folder: string): Promise<void> {
  await kubectl.run(['apply', '--filename', join(folder, 'namespace.yaml')]);
  await makeTokens(kubectl);
  await kubectl.run(['apply', '--kustomize', folder], { timeoutMs: APPLY_MS });
}

/** Those that are missing, at random; what is there stays, for pods that run have read it. */
async function makeTokens(kubectl: Pick<Kubectl, 'run'>): Promise<void> {
  const names = await kubectl.run(['get', 'secrets', '--output', 'name']);
  const there = new Set(names.split('\n').map((line) => line.trim().replace('secret/', '')));
  for (const name of TOKEN_SECRETS) {
    if (there.has(name)) continue;
    const stringData = { token: randomBytes(TOKEN_BYTES).toString('hex') };
    const secret = { apiVersion: 'v1', kind: 'Secret', metadata: { name }, stringData };
    // Not as an argument, which others on this machine could read.
    await kubectl.run(['create', '--filename', '-'], { input: JSON.stringify(secret) });
  }
}
