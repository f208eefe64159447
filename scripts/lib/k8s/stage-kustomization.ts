import { stringify } from 'yaml';
import type { RenderOptions } from './render-options.js';
import type { StageSettings } from './stage-settings.js';

/** A patch of Kustomize: what it is for, and a strategic merge or a list of JSON patch operations. */
interface Patch {
  readonly target: { readonly kind: string };
  readonly patch: string;
}

/**
 * The kustomization that makes one layer service of the base's: its number in every name, its app-id, the caller
 * that stands before it, and its resources. `base` is the path of k8s/base/stage, `keda` that of the component.
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
    nameSuffix: `-${stage.index}`,
    labels: [{ pairs: { 'layermesh.io/stage': String(stage.index) }, includeSelectors: true }],
    patches: [deployment(stage, options), ...accessOfPrevious(stage), ...autoscaler(stage, options)],
  };
}

function deployment(stage: StageSettings, { autoscaler }: RenderOptions): Patch {
  const { appId, replicas } = stage;
  const resources = resourcesOf(stage);
  return merge('apps/v1', 'Deployment', {
    ...(autoscaler === 'none' && { replicas }),
    template: {
      metadata: { annotations: { 'dapr.io/app-id': appId, 'dapr.io/config': appId } },
      ...(resources !== null && { spec: { containers: [{ name: 'stage', resources }] } }),
    },
  });
}

/** Null where the base's are to stay. */
function resourcesOf({ cpu, cpuRequest, memory }: StageSettings): object | null {
  if (cpu === undefined && cpuRequest === undefined && memory === undefined) return null;
  const ofMemory = memory === undefined ? {} : { memory };
  return {
    requests: { ...(cpuRequest !== undefined && { cpu: cpuRequest }), ...ofMemory },
    limits: { ...(cpu !== undefined && { cpu }), ...ofMemory },
  };
}

/** The first stage is called by the gateway alone. */
function accessOfPrevious({ index }: StageSettings): Patch[] {
  if (index === 0) return [];
  const policy = {
    appId: `stage-${index - 1}`,
    namespace: 'default',
    trustDomain: 'public',
    defaultAction: 'deny',
    operations: [{ name: '/layermesh.stage.v1.Stage/*', httpVerb: ['*'], action: 'allow' }],
  };
  return [operations('Configuration', { '/spec/accessControl/policies/-': policy }, 'add')];
}

function autoscaler(stage: StageSettings, options: RenderOptions): Patch[] {
  const { maxReplicas, scaleDownAfter } = options;
  const { appId, replicas } = stage;
  switch (options.autoscaler) {
    case 'none':
      return [merge('autoscaling/v2', 'HorizontalPodAutoscaler', undefined)];
    case 'hpa':
      return [
        merge('autoscaling/v2', 'HorizontalPodAutoscaler', {
          minReplicas: replicas,
          maxReplicas,
          ...(scaleDownAfter !== undefined && {
            behavior: { scaleDown: { stabilizationWindowSeconds: scaleDownAfter } },
          }),
        }),
      ];
    case 'keda':
      return [
        operations('ScaledObject', {
          // Kustomize does not know that this is the name of a Deployment.
          '/spec/scaleTargetRef/name': appId,
          '/spec/minReplicaCount': replicas,
          '/spec/maxReplicaCount': maxReplicas,
          '/spec/triggers/0/metadata/query': busyReplicas(appId, options.namespace),
        }),
      ];
  }
}

const busyReplicas = (appId: string, namespace: string): string =>
  `sum(rate(layermesh_stage_busy_seconds_total{namespace="${namespace}",stage="${appId}"}[30s]))`;

/** A strategic merge into the base's object called `stage`; without a spec, one that removes it. */
function merge(apiVersion: string, kind: string, spec: object | undefined): Patch {
  const content = spec === undefined ? { $patch: 'delete' } : { spec };
  return { target: { kind }, patch: text({ apiVersion, kind, metadata: { name: 'stage' }, ...content }) };
}

function operations(kind: string, values: Record<string, unknown>, op: 'add' | 'replace' = 'replace'): Patch {
  const list = Object.entries(values).map(([path, value]) => ({ op, path, value }));
  return { target: { kind }, patch: text(list) };
}

/** As prettier would write it. */
export const text = (document: unknown): string =>
  stringify(document, { singleQuote: true, lineWidth: 0, aliasDuplicateObjects: false });
