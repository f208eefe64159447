import { ServingError } from '../../../services/lib/errors/serving-error.js';
import { Kubectl } from './kubectl.js';
import type { Manifest } from './manifest.js';

/** On namespaces that were made to be removed again; no other is ever removed. */
export const DISPOSABLE = 'layermesh.io/disposable';

const REMOVE_TIMEOUT_MS = 180_000;

/** False where there is no such namespace. Throws `cluster_failed` for one that somebody else has made. */
export async function isDisposable(kubectl: Kubectl): Promise<boolean> {
  const all = await kubectl.list<Manifest>('namespaces');
  const found = all.find(({ metadata }) => metadata.name === kubectl.namespace);
  if (found === undefined) return false;
  if (found.metadata.labels?.[DISPOSABLE] === 'true') return true;
  throw new ServingError(
    'cluster_failed',
    `the namespace ${kubectl.namespace} was not made by this command`,
    {
      hint: 'name another with --namespace, or remove it yourself',
    },
  );
}

/** Removes a namespace and everything in it, also when the command was told to stop; throws as `isDisposable` does. */
export async function removeDisposable(namespace: string): Promise<void> {
  const kubectl = new Kubectl(namespace);
  if (!(await isDisposable(kubectl))) return;
  await kubectl.run(['delete', 'namespace', namespace, '--ignore-not-found', '--wait'], {
    timeoutMs: REMOVE_TIMEOUT_MS,
  });
}
