import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parse, stringify } from 'yaml';
import { DISPOSABLE } from '../../k8s/deploy.js';
import { writeOverlay } from '../../k8s/overlay.js';
import type { RenderOptions } from '../../k8s/render-options.js';
import { isScaled } from '../experiment/arm.js';
import type { Arm, StageBounds } from '../experiment/arm.js';

export interface OverlayOptions {
  readonly namespace: string;
  /** Of the images. */
  readonly tag: string;
}

/** Seconds that less load must last before replicas go, all at once: the next load shall begin as this one did. */
const SCALE_DOWN_AFTER = 15;

/**
 * Writes an overlay that deploys an arm: what `npm run k8s:render` writes, and over it what makes it an arm. Random
 * prompts make a small model repeat itself, so tokens are not guessed ahead: speculation would flatter every arm.
 */
export async function writeArmOverlay(folder: string, arm: Arm, options: OverlayOptions): Promise<void> {
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
  await writeOverlay(folder, renderOptions(folder, arm, options));
  const path = join(folder, 'kustomization.yaml');
  const rendered = parse(await readFile(path, 'utf8')) as object;
  await writeFile(path, stringify({ ...rendered, patches: patchesOf(arm, options) }));
}

function renderOptions(folder: string, arm: Arm, { namespace, tag }: OverlayOptions): RenderOptions {
  const { stages } = arm;
  return {
    split: arm.split.join(),
    replicas: stages.map(({ name, min }) => `${name}=${min}`),
    maxReplicas: Math.max(...stages.map(({ max }) => max)),
    autoscaler: isScaled(arm) ? 'hpa' : 'none',
    toZero: false,
    scaleDownAfter: SCALE_DOWN_AFTER,
    cpu: stages.map(({ name, milliCpu }) => `${name}=${milliCpu}m`),
    // Less than the limits, so that all replicas find a place on a small node, and in proportion to them.
    cpuRequest: stages.map(({ name, milliCpu }) => `${name}=${Math.ceil(milliCpu / 4)}m`),
    memory: ['896Mi'],
    precision: 'int8',
    env: ['LAYERMESH_SPECULATION=off', 'LAYERMESH_KV_TOKENS=12288', 'LAYERMESH_PREFIX_CACHE_MB=32'],
    namespace,
    tag,
    out: folder,
  };
}

const patchesOf = (arm: Arm, options: OverlayOptions): Patch[] => [
  patch({ kind: 'Namespace' }, { metadata: { labels: namespaceLabels(arm) } }),
  ...arm.stages.map(sidecarLimit),
  ...(isScaled(arm) ? arm.stages.map(autoscaler) : []),
  ...(arm.mesh === 'direct' ? directMesh(arm, options.namespace) : []),
];

interface Patch {
  readonly target: { readonly kind: string; readonly name?: string };
  readonly patch: string;
}

/** The names in a patch do not matter where it has a target. */
function patch(target: Patch['target'], content: { metadata?: object; spec?: object }): Patch {
  const metadata = { ...content.metadata, name: 'any' };
  return { target, patch: stringify({ apiVersion: 'v1', kind: target.kind, ...content, metadata }) };
}

const podPatch = (name: string, annotations: object, spec?: object): Patch =>
  patch({ kind: 'Deployment', name }, { spec: { template: { metadata: { annotations }, spec } } });

const namespaceLabels = ({ mesh }: Arm): object => ({
  [DISPOSABLE]: 'true',
  // The registry of the direct mesh is a folder of the node.
  ...(mesh === 'direct' && { 'pod-security.kubernetes.io/enforce': 'privileged' }),
});

const sidecarLimit = ({ name, sidecarMilliCpu }: StageBounds): Patch =>
  podPatch(name, { 'dapr.io/sidecar-cpu-limit': `${sidecarMilliCpu}m` });

/** Within the budget, and back at once. */
function autoscaler({ name, max }: StageBounds): Patch {
  const scaleDown = { policies: [{ type: 'Percent', value: 100, periodSeconds: 15 }] };
  const spec = { maxReplicas: max, behavior: { scaleDown } };
  return patch({ kind: 'HorizontalPodAutoscaler', name }, { spec });
}

/** Without sidecars: each process listens at its pod's own address, and a folder of the one node is the registry. */
function directMesh({ stages }: Arm, namespace: string): Patch[] {
  const env = [
    { name: 'LAYERMESH_MESH', value: 'direct' },
    { name: 'LAYERMESH_REGISTRY_DIR', value: `/registry/${namespace}-${Date.now()}` },
  ];
  const ownAddress = { fieldRef: { fieldPath: 'status.podIP' } };
  const host = { name: 'LAYERMESH_HOST', value: null, valueFrom: ownAddress };
  const volumeMounts = [{ name: 'registry', mountPath: '/registry' }];
  // Where every user may write.
  const volumes = [{ name: 'registry', hostPath: { path: '/tmp', type: 'Directory' } }];
  const pod = (name: string, container: string, more: object[]): Patch =>
    podPatch(
      name,
      { 'dapr.io/enabled': 'false' },
      { containers: [{ name: container, env: [...env, ...more], volumeMounts }], volumes },
    );
  return [pod('gateway', 'gateway', []), ...stages.map(({ name }) => pod(name, 'stage', [host]))];
}
