import type { Cluster } from '../kubectl.js';
import type { Manifest } from '../manifest.js';
import { finding, type Finding } from './finding.js';
import { appIdOf, serviceOf, type LiveContainer, type Pod } from './pod.js';

/** What all services of a mesh must be told alike. */
const SHARED = ['LAYERMESH_SPLIT', 'LAYERMESH_PRECISION', 'LAYERMESH_ACTIVATIONS'] as const;

interface ConfigMap extends Manifest {
  readonly data?: Readonly<Record<string, string>>;
}

/** Whether all pods are told the same split, precision and activations: those that differ can talk to nobody. */
export async function checkPlans(cluster: Cluster, pods: readonly Pod[]): Promise<Finding[]> {
  const maps = new Map(
    (await cluster.list<ConfigMap>('configmaps')).map(({ metadata, data }) => [metadata.name, data ?? {}]),
  );
  return SHARED.flatMap((name) => {
    const groups = new Map<string | undefined, Pod[]>();
    for (const pod of pods) {
      const value = variable(serviceOf(pod), name, maps);
      groups.set(value, [...(groups.get(value) ?? []), pod]);
    }
    // Most services, not most pods: one stage may have many.
    const [usual, ...others] = [...groups].toSorted(([, a], [, b]) => services(b) - services(a));
    return others.flatMap(([value, odd]) =>
      odd.map((pod) => {
        const elsewhere = [...new Set(usual![1].map(appIdOf))].join(', ');
        return finding(
          `${pod.metadata.name}: ${name} is that of the others`,
          false,
          `it is ${shown(value)}, and ${shown(usual![0])} in ${elsewhere}: kubectl rollout undo deployment/${appIdOf(pod)}, or ` +
            'change all services at once (k8s/README.md, Another split)',
        );
      }),
    );
  });
}

const services = (pods: readonly Pod[]): number => new Set(pods.map(appIdOf)).size;

const shown = (value: string | undefined): string => (value === undefined ? 'not set' : `"${value}"`);

function variable(
  { env = [], envFrom = [] }: LiveContainer,
  name: string,
  maps: ReadonlyMap<string, Readonly<Record<string, string>>>,
): string | undefined {
  const own = env.find((each) => each.name === name)?.value;
  // Of several sources the last one counts.
  const shared = envFrom.map(({ configMapRef }) => configMapRef && maps.get(configMapRef.name)?.[name]);
  return own ?? shared.findLast((value) => value !== undefined);
}
