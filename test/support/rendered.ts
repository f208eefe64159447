import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { parse, stringify } from 'yaml';
import { kustomize } from '../../scripts/lib/k8s/kubectl.js';
import type { Manifest, PodTemplate } from '../../scripts/lib/k8s/objects.js';
import { parseRenderOptions } from '../../scripts/lib/k8s/render-options.js';
import { writeOverlay } from '../../scripts/lib/k8s/overlay.js';
import { repositoryRoot } from '../../scripts/lib/repository.js';

export const k8sFolder = join(repositoryRoot, 'k8s');

/** The objects of a kind. */
export const ofKind = <Kind extends Manifest>(objects: readonly Manifest[], kind: string): Kind[] =>
  objects.filter((object): object is Kind => object.kind === kind);

export interface DaprConfiguration extends Manifest {
  readonly spec: {
    readonly accessControl: {
      readonly defaultAction: string;
      readonly policies?: readonly { readonly appId: string; readonly namespace: string }[];
    };
    readonly tracing: { readonly samplingRate: string; readonly otel?: object };
  };
}

/** The objects of a new overlay. */
export const render = (...args: string[]): Promise<Manifest[]> => renderWith([], ...args);

/** With these components of k8s/components besides. It lies in the repository's own tree, from which relative paths lead to the base. */
export const renderWith = (components: readonly string[], ...args: string[]): Promise<Manifest[]> =>
  built(args, async (folder) =>
    change(folder, ({ components: own }) =>
      own.push(...components.map((name) => relative(folder, join(k8sFolder, 'components', name)))),
    ),
  );

/** Of an overlay to which a further model was added, as k8s/README.md says. */
export const renderFurther = (args: readonly string[], further: readonly string[]): Promise<Manifest[]> =>
  built(args, async (folder) => {
    const options = parseRenderOptions(further);
    await writeOverlay(folder, options);
    await change(folder, (overlay) => {
      overlay.resources.push(`stages-${options.name!}`);
      overlay.components.push(`stages-${options.name!}/gateway`);
    });
  });

interface Overlay {
  readonly resources: string[];
  readonly components: string[];
}

async function change(folder: string, change: (overlay: Overlay) => unknown): Promise<void> {
  const path = join(folder, 'kustomization.yaml');
  const overlay = parse(await readFile(path, 'utf8')) as Overlay;
  change(overlay);
  await writeFile(path, stringify(overlay));
}

async function built(args: readonly string[], then: (folder: string) => Promise<void>): Promise<Manifest[]> {
  const cache = join(repositoryRoot, 'node_modules', '.cache');
  await mkdir(cache, { recursive: true });
  const folder = await mkdtemp(join(cache, 'overlay-'));
  try {
    await writeOverlay(folder, parseRenderOptions(args));
    await then(folder);
    return await kustomize(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

interface WithData extends Manifest {
  readonly data: Readonly<Record<string, string>>;
}

/** The variables that a container of this template starts with. */
export function environmentOf(
  template: PodTemplate,
  objects: readonly Manifest[],
  pod = 'pod',
): Record<string, string> {
  const [{ env = [], envFrom = [] }] = template.spec.containers as [PodTemplate['spec']['containers'][0]];
  const shared = envFrom.flatMap(({ configMapRef }) => {
    const map = ofKind<WithData>(objects, 'ConfigMap').find(
      ({ metadata }) => metadata.name === configMapRef.name,
    );
    return Object.entries(map!.data);
  });
  const own = env.map(({ name, value, valueFrom }): [string, string] => {
    const annotation = /^metadata\.annotations\['(.*)'\]$/.exec(valueFrom?.fieldRef?.fieldPath ?? '')?.[1];
    return [name, value ?? (annotation === undefined ? pod : template.metadata!.annotations![annotation]!)];
  });
  return Object.fromEntries([...shared, ...own]);
}
