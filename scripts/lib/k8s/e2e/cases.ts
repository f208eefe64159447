import { join } from 'node:path';
import { Option } from 'commander';
import { listOf, oneOf } from '../../cli/options.js';
import { repositoryRoot } from '../../repository.js';
import type { DeployedMesh } from '../deploy.js';
import { expect, Kubectl } from '../kubectl.js';
import type { Named } from '../objects.js';
import { firstAnswer } from './answer.js';
import { kills, saturation, scaleDowns } from './replicas.js';

/** What is tried, on a mesh of such options of `npm run k8s:render`, or without one. Returns what it has seen. */
type Case =
  | {
      readonly mesh: readonly string[];
      readonly run: (mesh: DeployedMesh, signal: AbortSignal) => Promise<string[]>;
    }
  | { readonly mesh: null; readonly run: (signal: AbortSignal) => Promise<string[]> };

// Limits that leave room on two processors, and reserve little, so that more replicas find a place.
const SMALL = [
  ['--memory', '640Mi', '--cpu-request', '50m'],
  ['--env', 'LAYERMESH_KV_TOKENS=8192', '--env', 'LAYERMESH_PREFIX_CACHE_MB=32'],
].flat();
const EVEN = ['--split', '10,20', '--cpu', '500m', '--autoscaler', 'none', ...SMALL];
/** Most layers and the fewest processors are in the middle. */
export const UNEVEN = [
  ['--split', '4,26', '--cpu', '700m', '--cpu', 'stage-1=300m', ...SMALL],
  ['--max-replicas', '2', '--scale-down-after', '10'],
].flat();

const CASES = {
  answer: { mesh: EVEN, run: firstAnswer },
  production: { mesh: null, run: dryRunProduction },
  kills: { mesh: EVEN, run: kills },
  'scale-downs': { mesh: EVEN, run: scaleDowns },
  saturation: { mesh: UNEVEN, run: saturation },
} as const satisfies Record<string, Case>;

export type CaseName = keyof typeof CASES;

const names = Object.keys(CASES) as CaseName[];

export const caseOf = (name: CaseName): Case => CASES[name];

export const casesOption = (): Option =>
  new Option('--cases <names>', `of ${names.join(', ')}; or all`)
    .argParser((text) => (text === 'all' ? names : listOf(oneOf(names))(text)))
    .default(['answer', 'production'] satisfies CaseName[]);

/**
 * The API server takes the production overlay, in a namespace that enforces the restricted standard. A dry run needs
 * the namespace to be there: it is made, and removed again if it was not there before.
 */
async function dryRunProduction(signal: AbortSignal): Promise<string[]> {
  const overlay = join(repositoryRoot, 'k8s', 'overlays', 'production');
  const kubectl = new Kubectl('layermesh', signal);
  const find = async (): Promise<Named | undefined> =>
    (await kubectl.list('namespaces')).find(({ metadata }) => metadata.name === kubectl.namespace);
  const there = (await find()) !== undefined;
  await kubectl.run(['apply', '--filename', join(overlay, 'namespace.yaml')]);
  try {
    const enforced = (await find())?.metadata.labels?.['pod-security.kubernetes.io/enforce'];
    expect(enforced === 'restricted', `the namespace enforces ${enforced ?? 'nothing'}`);
    const options = ['--dry-run=server', '--warnings-as-errors'];
    const text = await kubectl.run(['apply', '--kustomize', overlay, ...options], { timeoutMs: 60_000 });
    return [`the API server takes ${text.trim().split('\n').length} objects of overlays/production`];
  } finally {
    // Also when this was told to stop.
    const { namespace } = kubectl;
    if (!there) await new Kubectl(namespace).run(['delete', 'namespace', namespace, '--wait=false']);
  }
}
