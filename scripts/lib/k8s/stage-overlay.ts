import { stringify } from 'yaml';
import { endingOf, stageId, stageIds } from '../../../services/lib/config/app-id.js';
import { model } from '../../../services/lib/config/gateway-variables.js';
import { onnx, served, timed } from '../../../services/lib/config/variables.js';
import { ServingError } from '../../../services/lib/errors/serving-error.js';
import { parseSplit } from '../../../services/lib/model/split.js';
import { parseReplicaCounts, requireStages } from '../cli/options.js';
import type { RenderOptions } from './render-options.js';

/** A patch of Kustomize: what it is for, and a strategic merge or a list of JSON patch operations. */
interface Patch {
  readonly target: { readonly kind: string };
  readonly patch: string;
}

/**
 * The kustomization that makes one layer service of the base's: its number in every name, its app-id, the stages
 * beside it, and its resources. `base` is the path of k8s/base/stage, `keda` that of the component.
 */
export function stageKustomization(
  stage: StageSettings,
  options: RenderOptions,
  { base, keda }: { base: string; keda: string },
): object {
  return {
    apiVersion: 'kustomize.config.k8s.io/v1beta1',
    kind: 'Kustomization',
    resources: [base],
    ...(options.autoscaler === 'keda' && { components: [keda] }),
    ...(options.name !== undefined && { namePrefix: `${options.name}-` }),
    nameSuffix: `-${stage.index}`,
    labels: [{ pairs: { 'layermesh.io/stage': stage.label }, includeSelectors: true }],
    patches: [deployment(stage, options), ...accessOfNeighbours(stage), ...autoscaler(stage, options)],
  };
}

function deployment(stage: StageSettings, options: RenderOptions): Patch {
  const { appId, replicas } = stage;
  const { autoscaler } = options;
  const resources = resourcesOf(stage);
  const own = { ...(resources !== null && { resources }), ...weightsOf(options) };
  return merge('apps/v1', 'Deployment', {
    ...(autoscaler === 'none' && { replicas }),
    template: {
      metadata: { annotations: { 'dapr.io/app-id': appId, 'dapr.io/config': appId } },
      ...(Object.keys(own).length > 0 && { spec: { containers: [{ name: 'stage', ...own }] } }),
    },
  });
}

/** What the container of a further model's stage is told that is not the same for all models. */
function weightsOf({ name, prepared }: RenderOptions): object {
  if (name === undefined) return {};
  return {
    envFrom: [{ configMapRef: { name: sharedName(name) } }],
    env: [{ name: 'LAYERMESH_PREPARED', value: prepared ?? `/weights/${name}` }],
  };
}

/** Of the ConfigMap that all services of a model share. */
export const sharedName = (name = ''): string => (name === '' ? 'layermesh' : `layermesh-${name}`);

/** Null where the base's are to stay; what is undefined is not written. */
function resourcesOf({ cpu, cpuRequest, memory }: StageSettings): object | null {
  if (cpu === undefined && cpuRequest === undefined && memory === undefined) return null;
  return { requests: { cpu: cpuRequest, memory }, limits: { cpu, memory } };
}

/** The stage before calls this one; a new replica of the stage after opens the stream for its calls itself. */
function accessOfNeighbours({ neighbours }: StageSettings): Patch[] {
  const policies = neighbours.map((appId) => ({ '/spec/accessControl/policies/-': accessOf(appId) }));
  return policies.map((policy) => operations('Configuration', policy, 'add'));
}

/** Whom a sidecar lets open links, by the identity in its certificate; the overlay puts its own namespace in. */
const accessOf = (appId: string): object => ({
  appId,
  namespace: 'default',
  trustDomain: 'public',
  defaultAction: 'deny',
  operations: [{ name: '/layermesh.stage.v1.Stage/*', httpVerb: ['*'], action: 'allow' }],
});

/** What an overlay adds to the base's gateway: new replicas of every stage open the streams for its calls themselves. */
export const gatewayComponent = (stages: readonly StageSettings[]): object =>
  component({ '/spec/accessControl/policies': stages.map(({ appId }) => accessOf(appId)) });

/** The same for a further model, behind that of the first; `shared`: what its services are told. */
export function furtherComponent(
  name: string,
  stages: readonly StageSettings[],
  { prepared = `/weights/${name}` }: RenderOptions,
  shared: readonly string[],
): object {
  const ofModel = [`LAYERMESH_PREPARED=${prepared}`, ...shared]
    .map((text) => [text.slice(0, text.indexOf('=')), text.slice(text.indexOf('=') + 1)] as const)
    .filter(([variable]) => MODEL_VARIABLES.has(variable));
  const env = [
    { name: 'LAYERMESH_MODELS', value: name },
    ...ofModel.map(([variable, value]) => ({ name: variable + endingOf(name), value })),
  ];
  const patch = {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name: 'gateway' },
    spec: { template: { spec: { containers: [{ name: 'gateway', env }] } } },
  };
  const target = { kind: 'Deployment', name: 'gateway' };
  return component(...stages.map(({ appId }) => ({ '/spec/accessControl/policies/-': accessOf(appId) })), {
    target,
    patch: text(patch),
  });
}

/** Patches of the gateway's access, or of another object. */
const component = (...patches: readonly (Patch | Record<string, unknown>)[]): object => ({
  apiVersion: 'kustomize.config.k8s.io/v1alpha1',
  kind: 'Component',
  patches: patches.map((patch) =>
    'patch' in patch
      ? patch
      : { ...operations('Configuration', patch, 'add'), target: { kind: 'Configuration', name: 'gateway' } },
  ),
});

/** Those that a gateway reads of each of its models. */
const MODEL_VARIABLES: ReadonlySet<string> = new Set(
  [served, onnx, timed, model].flatMap(({ shape }) => Object.keys(shape)),
);

function autoscaler({ appId, replicas }: StageSettings, options: RenderOptions): Patch[] {
  const { maxReplicas, scaleDownAfter: stabilizationWindowSeconds } = options;
  const behavior = stabilizationWindowSeconds !== undefined && {
    behavior: { scaleDown: { stabilizationWindowSeconds } },
  };
  switch (options.autoscaler) {
    case 'none':
      return [merge('autoscaling/v2', 'HorizontalPodAutoscaler', undefined)];
    case 'hpa': {
      const spec = { minReplicas: replicas, maxReplicas, ...behavior };
      return [
        merge('autoscaling/v2', 'HorizontalPodAutoscaler', spec),
        // Kustomize does not know that this is the name of a Deployment.
        operations('HorizontalPodAutoscaler', { '/spec/metrics/0/object/describedObject/name': appId }),
      ];
    }
    case 'keda':
      return [
        operations('ScaledObject', {
          // Nor this.
          '/spec/scaleTargetRef/name': appId,
          '/spec/minReplicaCount': replicas,
          '/spec/maxReplicaCount': maxReplicas,
          '/spec/triggers/0/metadata/scalerAddress': `gateway-scaler.${options.namespace}.svc:8001`,
          '/spec/triggers/0/metadata/stage': appId,
          '/spec/triggers/1/metadata/query': demandedReplicas(appId, options.namespace),
          ...(stabilizationWindowSeconds !== undefined && {
            [`${KEDA_BEHAVIOR}/scaleDown/stabilizationWindowSeconds`]: stabilizationWindowSeconds,
          }),
        }),
        ...(options.toZero ? [operations('ScaledObject', { '/spec/idleReplicaCount': 0 }, 'add')] : []),
      ];
  }
}

/** Where KEDA's object says how the autoscaler that it makes behaves. */
const KEDA_BEHAVIOR = '/spec/advanced/horizontalPodAutoscalerConfig/behavior';

/** As the adapter's rule has it (k8s/adapter/rules.yaml). */
function demandedReplicas(appId: string, namespace: string): string {
  const of = `{namespace="${namespace}",stage="${appId}"}`;
  const busy = `sum(rate(layermesh_stage_busy_seconds_total${of}[30s]))`;
  return `sum(layermesh_demanded_replicas${of}) or ${busy} / 0.7`;
}

/** A strategic merge into the base's object called `stage`; without a spec, one that removes it. */
function merge(apiVersion: string, kind: string, spec: object | undefined): Patch {
  const content = spec === undefined ? { $patch: 'delete' } : { spec };
  return { target: { kind }, patch: text({ apiVersion, kind, metadata: { name: 'stage' }, ...content }) };
}

function operations(kind: string, values: Record<string, unknown>, op: 'add' | 'replace' = 'replace'): Patch {
  const list = Object.entries(values).map(([path, value]) => ({ op, path, value }));
  return { target: { kind }, patch: text(list) };
}

/** As `npm run format` would write it. */
export const text = (document: unknown): string =>
  stringify(document, { singleQuote: true, lineWidth: 0, aliasDuplicateObjects: false });

/** What differs from one stage of an overlay to the next. */
export interface StageSettings {
  readonly index: number;
  readonly appId: string;
  /** By which its pods are selected. */
  readonly label: string;
  /** The app-ids of the stages before and after it. */
  readonly neighbours: readonly string[];
  /** Least, where an autoscaler owns them. */
  readonly replicas: number;
  /** Kubernetes quantities; undefined leaves the base's. */
  readonly cpu: string | undefined;
  readonly cpuRequest: string | undefined;
  readonly memory: string | undefined;
}

/** Throws `invalid_split` or `invalid_config` for what cannot be, as far as that shows without the model. */
export function stageSettings(options: RenderOptions): StageSettings[] {
  const { name = '' } = options;
  const count = parseSplit(options.split, Number.MAX_SAFE_INTEGER).length;
  const appIds = stageIds(name, count);
  const replicas = parseReplicaCounts(options.replicas);
  const cpu = quantities(options.cpu);
  const cpuRequest = quantities(options.cpuRequest);
  const memory = quantities(options.memory);
  for (const counts of [replicas, cpu.own, cpuRequest.own, memory.own]) requireStages(counts, appIds);
  for (const [appId, least] of replicas) {
    if (options.autoscaler === 'none' || least <= options.maxReplicas) continue;
    throw new ServingError('invalid_config', `${appId} has more replicas than --max-replicas allows`);
  }
  return Array.from({ length: count }, (_, index) => {
    const appId = appIds[index]!;
    return {
      index,
      appId,
      label: name === '' ? String(index) : `${name}-${index}`,
      neighbours: [index - 1, index + 1]
        .filter((each) => 0 <= each && each < count)
        .map((each) => stageId(name, each)),
      replicas: replicas.get(appId) ?? 1,
      cpu: cpu.of(appId),
      cpuRequest: cpuRequest.of(appId) ?? cpu.of(appId),
      memory: memory.of(appId),
    };
  });
}

/** What is given for one stage, and for all others. */
function quantities(values: readonly string[]) {
  const pairs = values.map((value) => value.split('=')).filter((parts) => parts.length === 2);
  const own: ReadonlyMap<string, string> = new Map(pairs as [string, string][]);
  const all = values.findLast((value) => !value.includes('='));
  return { own, of: (appId: string): string | undefined => own.get(appId) ?? all };
}
