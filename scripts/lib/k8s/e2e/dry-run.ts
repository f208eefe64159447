import { join } from 'node:path';
import { repositoryRoot } from '../../repository.js';
import { Kubectl } from '../kubectl.js';
import type { Manifest } from '../manifest.js';
import { expect } from './expect.js';

/**
 * The API server takes the production overlay, in a namespace that enforces the restricted standard. A dry run needs
 * the namespace to be there: it is made, and removed again if it was not there before.
 */
export async function dryRunProduction(signal: AbortSignal): Promise<string[]> {
  const overlay = join(repositoryRoot, 'k8s', 'overlays', 'production');
  const kubectl = new Kubectl('layermesh', signal);
  const all = await kubectl.list<Manifest>('namespaces');
  const there = all.some(({ metadata }) => metadata.name === kubectl.namespace);
  await kubectl.run(['apply', '--filename', join(overlay, 'namespace.yaml')]);
  try {
    const namespace = JSON.parse(
      await kubectl.run(['get', 'namespace', kubectl.namespace, '--output', 'json']),
    ) as Manifest;
    const enforced = namespace.metadata.labels?.['pod-security.kubernetes.io/enforce'];
    expect(enforced === 'restricted', `the namespace enforces ${enforced ?? 'nothing'}`);
    const options = ['--dry-run=server', '--warnings-as-errors'];
    const text = await kubectl.run(['apply', '--kustomize', overlay, ...options], { timeoutMs: 60_000 });
    return [`the API server takes ${text.trim().split('\n').length} objects of overlays/production`];
  } finally {
    if (!there) await kubectl.run(['delete', 'namespace', kubectl.namespace, '--wait=false']);
  }
}
