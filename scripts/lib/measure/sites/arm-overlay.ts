import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { parse, stringify } from 'yaml';
import { DISPOSABLE } from '../../k8s/deploy.js';
import { INSECURE, writeOverlay } from '../../k8s/overlay.js';
import type { RenderOptions } from '../../k8s/render-options.js';
import { stageKustomization, stageSettings, type StageSettings } from '../../k8s/stage-overlay.js';
import { repositoryRoot } from '../../repository.js';
import { dilationOf, isScaled } from '../experiment/arm.js';
import type { Arm, StageBounds } from '../experiment/arm.js';
import { EXPERIMENT_SETTINGS } from '../experiment/settings.js';
import { emulatedEnvironment } from './emulated.js';

interface OverlayOptions {
  readonly namespace: string;
  /** Of the images. */
  readonly tag: string;
}

/** Seconds between two decisions of one policy, as in the base. */
const SCALING_PERIOD = 15;

/** Of each service that computes nothing, and of its sidecar, through which whole steps of rows pass. */
const EMULATED_MEMORY = '512Mi';

/**
 * Writes an overlay that deploys an arm: what `npm run k8s:render` writes, and over it what makes it an arm. Random
 * prompts make a small model repeat itself, so tokens are not guessed ahead: speculation would flatter every arm.
 */
export async function writeArmOverlay(folder: string, arm: Arm, options: OverlayOptions): Promise<void> {
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
  const render = renderOptions(folder, arm, options);
  await writeOverlay(folder, render);
  const further = furtherDeployments(folder, arm, render);
  for (const { name, content } of further) {
    await mkdir(join(folder, name));
    await writeFile(join(folder, name, 'kustomization.yaml'), stringify(content));
  }
  const path = join(folder, 'kustomization.yaml');
  const rendered = parse(await readFile(path, 'utf8')) as { readonly resources: readonly string[] };
  const resources = [...rendered.resources, ...further.map(({ name }) => name)];
  await writeFile(path, stringify({ ...rendered, resources, patches: patchesOf(arm, options) }));
}

function renderOptions(folder: string, arm: Arm, { namespace, tag }: OverlayOptions): RenderOptions {
  const { stages, emulated } = arm;
  return {
    split: arm.split.join(),
    replicas: stages.map(({ name, min }) => `${name}=${min}`),
    maxReplicas: Math.max(...stages.map(({ max }) => max)),
    autoscaler: isScaled(arm) ? 'hpa' : 'none',
    toZero: false,
    // All at once, and soon: the next load shall begin as this one did.
    scaleDownAfter: EXPERIMENT_SETTINGS.scaleDownAfter * dilationOf(arm),
    ...(emulated
      ? {
          cpu: [],
          cpuRequest: [],
          memory: [EMULATED_MEMORY],
          env: [INSECURE, ...Object.entries(emulatedEnvironment(emulated)).map((pair) => pair.join('='))],
        }
      : {
          cpu: stages.map(({ name, milliCpu }) => `${name}=${milliCpu}m`),
          // Less than the limits, so that all replicas find a place on a small node, and in proportion to them.
          cpuRequest: stages.map(({ name, milliCpu }) => `${name}=${Math.ceil(milliCpu / 4)}m`),
          memory: ['896Mi'],
          env: [
            INSECURE,
            'LAYERMESH_SPECULATION=off',
            'LAYERMESH_KV_TOKENS=12288',
            'LAYERMESH_PREFIX_CACHE_MB=32',
          ],
        }),
    precision: 'int8',
    namespace,
    tag,
    out: folder,
  };
}

const patchesOf = (arm: Arm, options: OverlayOptions): Patch[] => [
  patch({ kind: 'Namespace' }, { metadata: { labels: namespaceLabels(arm) } }),
  ...(arm.emulated ? emulated(arm) : arm.stages.map(sidecarLimit)),
  ...(isScaled(arm) ? arm.stages.map((stage) => autoscaler(stage, dilationOf(arm))) : []),
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

const namespaceLabels = ({ mesh, emulated }: Arm): object => ({
  [DISPOSABLE]: 'true',
  // The registry of the direct mesh is a folder of the node; the threads of emulated engines go before all others.
  ...((mesh === 'direct' || emulated) && {
    'pod-security.kubernetes.io/enforce': 'privileged',
    'pod-security.kubernetes.io/warn': 'privileged',
  }),
});

const sidecarLimit = ({ name, sidecarMilliCpu }: StageBounds): Patch =>
  podPatch(name, { 'dapr.io/sidecar-cpu-limit': `${sidecarMilliCpu}m` });

/** Within the budget, and back at once; as fast as in the base, by the arm's own time. */
function autoscaler({ name, max }: StageBounds, dilation: number): Patch {
  const periodSeconds = SCALING_PERIOD * dilation;
  const scaleDown = { policies: [{ type: 'Percent', value: 100, periodSeconds }] };
  const scaleUp = { policies: [...scaleDown.policies, { type: 'Pods', value: 2, periodSeconds }] };
  const spec = { maxReplicas: max, behavior: { scaleUp, scaleDown } };
  return patch({ kind: 'HorizontalPodAutoscaler', name }, { spec });
}

/** By the name of each Deployment of an emulated arm, what it emulates. */
const devicesOf = ({ stages }: Arm): (readonly [name: string, device: string])[] =>
  stages.flatMap(({ name, device, more = [] }) => [
    [name, device!] as const,
    ...more.map((other, index) => [`${name}-more-${index}`, other] as const),
  ]);

/**
 * Nothing holds an emulated arm back: whatever waited for a processor would look like a slow mesh. The waits of the manifests
 * are by the arm's own time.
 */
function emulated(arm: Arm): Patch[] {
  const dilation = dilationOf(arm);
  const sidecar = {
    'dapr.io/sidecar-memory-limit': EMULATED_MEMORY,
    'dapr.io/sidecar-cpu-request': '20m',
  };
  const gateway = { name: 'gateway', resources: { limits: { memory: '1Gi' } } };
  return [
    podPatch('gateway', sidecar, { containers: [gateway] }),
    ...devicesOf(arm).map(([name, device]) => {
      const stage = {
        name: 'stage',
        env: [
          { name: 'LAYERMESH_DEVICE', value: device },
          { name: 'LAYERMESH_DRAIN_SECONDS', value: String(EXPERIMENT_SETTINGS.drain * dilation) },
        ],
        startupProbe: { failureThreshold: 300 * dilation },
        // Ten find a place on two processors; it is also the weight by which a device's thread comes before sidecars.
        resources: { requests: { cpu: '80m', memory: '256Mi' }, limits: { cpu: null } },
        securityContext: AS_ROOT_BEFORE_OTHERS,
      };
      return podPatch(
        name,
        { ...sidecar, 'dapr.io/block-shutdown-duration': `${45 * dilation}s` },
        { terminationGracePeriodSeconds: 60 * dilation, containers: [stage] },
      );
    }),
  ];
}

/** The user and the capability by which a thread may have real-time priority. */
const AS_ROOT = { runAsUser: 0, runAsNonRoot: false };
const AS_ROOT_BEFORE_OTHERS = { ...AS_ROOT, capabilities: { add: ['SYS_NICE'] } };

interface Further {
  /** Of its folder in the overlay. */
  readonly name: string;
  readonly content: object;
}

/** A Deployment for each further replica of a stage; all else is the stage's own. */
function furtherDeployments(folder: string, { stages }: Arm, options: RenderOptions): Further[] {
  const settings = stageSettings(options);
  return stages.flatMap(({ more = [] }, index) =>
    more.map((_, number) => furtherDeployment(folder, settings[index]!, number, options)),
  );
}

function furtherDeployment(
  folder: string,
  stage: StageSettings,
  number: number,
  options: RenderOptions,
): Further {
  const name = `more-${stage.index}-${number}`;
  const base = relative(join(folder, name), join(repositoryRoot, 'k8s', 'base', 'stage'));
  const alone = { ...stage, replicas: 1, neighbours: [] };
  const { labels, patches, ...rest } = stageKustomization(
    alone,
    { ...options, autoscaler: 'none' },
    { base, keda: '' },
  ) as { readonly labels: readonly object[]; readonly patches: readonly object[] };
  const shared = ['Service', 'ServiceAccount', 'PodDisruptionBudget', 'Configuration'];
  const content = {
    ...rest,
    nameSuffix: `-${stage.index}-more-${number}`,
    // So that no two Deployments claim the same pods.
    labels: [...labels, { pairs: { 'layermesh.io/more': String(number) }, includeSelectors: true }],
    patches: [
      ...patches,
      podPatch('stage', {}, { serviceAccountName: stage.appId }),
      ...shared.map((kind) => ({
        target: { kind },
        patch: stringify({ apiVersion: 'v1', kind, metadata: { name: 'any' }, $patch: 'delete' }),
      })),
    ],
  };
  return { name, content };
}

/** Without sidecars: each process listens at its pod's own address, and a folder of the one node is the registry. */
function directMesh(arm: Arm, namespace: string): Patch[] {
  const env = [
    { name: 'LAYERMESH_MESH', value: 'direct' },
    { name: 'LAYERMESH_REGISTRY_DIR', value: `/registry/${namespace}-${Date.now()}` },
  ];
  const ownAddress = { fieldRef: { fieldPath: 'status.podIP' } };
  const host = { name: 'LAYERMESH_HOST', value: null, valueFrom: ownAddress };
  const volumeMounts = [{ name: 'registry', mountPath: '/registry' }];
  // Where every user may write.
  const volumes = [{ name: 'registry', hostPath: { path: '/tmp', type: 'Directory' } }];
  const pod = (name: string, container: string, more: object[], settings: object = {}): Patch =>
    podPatch(
      name,
      { 'dapr.io/enabled': 'false' },
      { containers: [{ name: container, env: [...env, ...more], volumeMounts, ...settings }], volumes },
    );
  const names = arm.emulated ? devicesOf(arm).map(([name]) => name) : arm.stages.map(({ name }) => name);
  return [
    // Whoever shares the folder must be the same user.
    pod('gateway', 'gateway', [], arm.emulated ? { securityContext: AS_ROOT } : {}),
    ...names.map((name) => pod(name, 'stage', [host])),
  ];
}
