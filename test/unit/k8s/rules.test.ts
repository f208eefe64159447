import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';
import { readGatewayConfig, readStageConfig } from '../../../services/lib/config/config.js';
import { createStageMetrics } from '../../../services/stage/accounts/metrics.js';
import { TOKEN_SECRETS } from '../../../scripts/lib/k8s/deploy.js';
import { kustomize } from '../../../scripts/lib/k8s/kubectl.js';
import {
  quantity,
  scalingMetrics,
  type Autoscaler,
  type Deployment,
  type Manifest,
} from '../../../scripts/lib/k8s/objects.js';
import { repositoryRoot } from '../../../scripts/lib/repository.js';
import { environmentOf, k8sFolder, ofKind, render, type DaprConfiguration } from '../../support/rendered.js';

const overlay = (name: string) => kustomize(join(k8sFolder, 'overlays', name));
const overlays: [string, () => Promise<Manifest[]>][] = [
  ['overlays/local', () => overlay('local')],
  ['overlays/production', () => overlay('production')],
  [
    'one stage with fixed replicas',
    () => render('--split', '', '--autoscaler', 'none', '--namespace', 'mine'),
  ],
];

interface WithSelector extends Manifest {
  readonly spec: {
    readonly selector: Readonly<Record<string, string>> | { matchLabels: Record<string, string> };
  };
}

interface Budget extends Manifest {
  readonly spec: { readonly maxUnavailable: number; readonly unhealthyPodEvictionPolicy?: string };
}

interface PolicyRule {
  readonly from?: readonly object[];
  readonly to?: readonly object[];
  readonly ports?: readonly { readonly port: number | string; readonly protocol?: string }[];
}

interface NetworkPolicy extends Manifest {
  readonly spec: { readonly ingress?: readonly PolicyRule[]; readonly egress?: readonly PolicyRule[] };
}

const seconds = (text: string): number => Number(/^(\d+)s?$/.exec(text)![1]);

describe.each(overlays)('%s', (_name, build) => {
  let objects: Manifest[];
  let deployments: Deployment[];
  let services: Deployment[];
  let stages: Deployment[];
  beforeAll(async () => {
    objects = await build();
    deployments = ofKind<Deployment>(objects, 'Deployment');
    services = deployments.filter(
      ({ metadata }) => metadata.labels!['app.kubernetes.io/name'] === 'layermesh',
    );
    stages = services.filter(({ metadata }) => metadata.labels!['app.kubernetes.io/component'] === 'stage');
  });
  const annotations = ({ spec }: Deployment) => spec.template.metadata!.annotations!;
  const configuration = (deployment: Deployment): DaprConfiguration =>
    ofKind<DaprConfiguration>(objects, 'Configuration').find(
      ({ metadata }) => metadata.name === annotations(deployment)['dapr.io/config'],
    )!;

  it('has pods that the restricted standard admits', () => {
    const templates = [...deployments, ...ofKind<Deployment>(objects, 'Job')].map(
      ({ spec }) => spec.template,
    );
    for (const { spec } of templates) {
      expect(spec.securityContext).toMatchObject({
        runAsNonRoot: true,
        seccompProfile: { type: 'RuntimeDefault' },
      });
      expect(spec.securityContext!.runAsUser).toBeGreaterThan(0);
      expect([spec.automountServiceAccountToken, spec.enableServiceLinks]).toEqual([false, false]);
      for (const { securityContext } of spec.containers) {
        expect(securityContext).toEqual({
          allowPrivilegeEscalation: false,
          readOnlyRootFilesystem: true,
          capabilities: { drop: ['ALL'] },
        });
      }
      const kinds = (spec.volumes ?? []).flatMap(({ name: _, ...source }) => Object.keys(source));
      const allowed = ['configMap', 'emptyDir', 'persistentVolumeClaim', 'projected', 'secret', 'image'];
      expect(kinds.filter((kind) => !allowed.includes(kind))).toEqual([]);
    }
  });

  it('asks its containers three different questions, and never blames one for another', () => {
    for (const { spec } of deployments) {
      const { startupProbe, readinessProbe, livenessProbe } = spec.template.spec.containers[0]!;
      const probes = [startupProbe, readinessProbe, livenessProbe].map((probe) => JSON.stringify(probe));
      expect(new Set(probes).size).toBe(3);
      expect(livenessProbe!.httpGet?.path).not.toBe('/ready');
      expect(livenessProbe!.periodSeconds * livenessProbe!.failureThreshold).toBeGreaterThanOrEqual(30);
      expect(startupProbe!.failureThreshold).toBeGreaterThanOrEqual(60);
    }
    for (const { spec } of services) {
      expect(spec.template.spec.containers[0]!.readinessProbe!.httpGet!.path).toBe('/ready');
    }
  });

  it('gives containers the memory that they ask for, and no more', () => {
    for (const { spec } of deployments) {
      const { requests, limits } = spec.template.spec.containers[0]!.resources;
      expect(requests.memory).toBe(limits.memory);
      expect(quantity(requests.cpu)).toBeGreaterThan(0);
    }
    for (const stage of stages) {
      // Threads come from the limit, and a pod with one is known as an owner of its processors.
      expect(quantity(stage.spec.template.spec.containers[0]!.resources.limits.cpu)).toBeGreaterThan(0);
    }
  });

  it('lets a pod drain before it is killed, and its sidecar outlive it', () => {
    for (const { spec } of services) {
      const { terminationGracePeriodSeconds, containers } = spec.template.spec;
      const pause = containers[0]!.lifecycle?.preStop?.sleep?.seconds ?? 0;
      const drain = seconds(environmentOf(spec.template, objects, 'pod')['LAYERMESH_DRAIN_SECONDS']!);
      expect(terminationGracePeriodSeconds).toBeGreaterThan(pause + drain);
      const block = spec.template.metadata!.annotations!['dapr.io/block-shutdown-duration'];
      if (block === undefined) continue;
      expect(seconds(block)).toBeGreaterThan(pause + drain);
      expect(seconds(block)).toBeLessThan(terminationGracePeriodSeconds!);
    }
  });

  it('starts services with a configuration that they accept, and all with the same split', () => {
    for (const { metadata, spec } of services) {
      const environment = environmentOf(spec.template, objects, `${metadata.name}-7d4-abcde`);
      const isStage = metadata.name !== 'gateway';
      const config = isStage ? readStageConfig(environment) : readGatewayConfig(environment);
      expect(config).toMatchObject({ appId: metadata.name, mesh: { kind: 'dapr', storeName: 'statestore' } });
      const { served } = 'models' in config ? config.models[0] : config;
      expect(served.split.split(',').filter(Boolean)).toHaveLength(stages.length - 1);
      const port = 'httpPort' in config ? config.httpPort : config.port;
      const address = 'httpHost' in config ? config.httpHost : config.host;
      expect(spec.template.spec.containers[0]!.ports).toEqual([{ name: 'http', containerPort: port }]);
      expect(annotations({ spec } as Deployment)['prometheus.io/port']).toBe(String(port));
      expect(address).toBe('0.0.0.0');
      if (isStage) expect(config.host).toBe('127.0.0.1');
      expect(config.grpcPort).toBe(Number(annotations({ spec } as Deployment)['dapr.io/app-port']));
    }
  });

  it('lets those open links who call each other, of its own namespace', () => {
    stages.forEach((stage, index) => {
      expect(annotations(stage)['dapr.io/app-id']).toBe(`stage-${index}`);
      const { accessControl } = configuration(stage).spec;
      expect(accessControl.defaultAction).toBe('deny');
      const neighbours = [index - 1, index + 1].filter((each) => stages[each]).map((each) => `stage-${each}`);
      expect(accessControl.policies!.map(({ appId }) => appId)).toEqual(['gateway', ...neighbours]);
      for (const { namespace } of accessControl.policies!) expect(namespace).toBe(stage.metadata.namespace);
    });
    const gateway = services.find(({ metadata }) => metadata.name === 'gateway')!;
    const { accessControl } = configuration(gateway).spec;
    expect(accessControl.defaultAction).toBe('deny');
    expect(accessControl.policies!.map(({ appId }) => appId)).toEqual(
      stages.map((_, index) => `stage-${index}`),
    );
    for (const { namespace } of accessControl.policies!) expect(namespace).toBe(gateway.metadata.namespace);
  });

  it('has sidecars that, where they export spans, add them to what arrives sampled and begin no traces', () => {
    for (const service of services) {
      const { samplingRate, otel } = configuration(service).spec.tracing;
      // With 0 a sidecar ignores what arrives sampled, too.
      expect(Number(samplingRate) > 0).toBe(otel !== undefined);
      expect(Number(samplingRate)).toBeLessThan(1e-9);
    }
  });

  it('selects the pods of one workload by each service, budget and account', () => {
    for (const { kind, spec } of [
      ...ofKind<WithSelector>(objects, 'Service'),
      ...ofKind<WithSelector>(objects, 'PodDisruptionBudget'),
    ]) {
      const labels =
        kind === 'Service' ? spec.selector : (spec.selector as { matchLabels: object }).matchLabels;
      const chosen = deployments.filter(({ spec: { template } }) =>
        Object.entries(labels).every(([key, value]) => template.metadata!.labels![key] === value),
      );
      expect(chosen).toHaveLength(1);
    }
    for (const { metadata, spec } of services) {
      expect(spec.template.spec.serviceAccountName).toBe(metadata.name);
      expect(ofKind(objects, 'ServiceAccount').map((account) => account.metadata.name)).toContain(
        metadata.name,
      );
    }
  });

  it('lets a node be drained of one pod after the other, and of those that are not ready at once', () => {
    const budgets = ofKind<Budget>(objects, 'PodDisruptionBudget');
    expect(budgets).toHaveLength(services.length);
    for (const { spec } of budgets) {
      expect(spec).toMatchObject({ maxUnavailable: 1, unhealthyPodEvictionPolicy: 'AlwaysAllow' });
    }
  });

  it('wants tokens between each service and its sidecar, and says none', () => {
    for (const service of services) {
      const { env = [] } = service.spec.template.spec.containers[0]!;
      const secrets = Object.fromEntries(
        env.flatMap(({ name, valueFrom }) =>
          valueFrom?.secretKeyRef ? [[name, valueFrom.secretKeyRef]] : [],
        ),
      );
      const [api, app, between] = TOKEN_SECRETS.map((name) => ({ name, key: 'token' }));
      expect(secrets).toMatchObject({
        DAPR_API_TOKEN: api,
        APP_API_TOKEN: app,
        LAYERMESH_MESH_TOKEN: between,
      });
      expect(annotations(service)).toMatchObject({
        'dapr.io/api-token-secret': api!.name,
        'dapr.io/app-token-secret': app!.name,
      });
    }
    expect(ofKind(objects, 'Secret')).toEqual([]);
  });

  it('wants keys of whoever asks, or says that it is open', () => {
    const gateway = services.find(({ metadata }) => metadata.name === 'gateway')!;
    const environment = environmentOf(gateway.spec.template, objects, 'pod');
    const { keys, operatorKey } = readGatewayConfig(environment);
    if (environment['LAYERMESH_INSECURE'] === '1') {
      expect([keys, operatorKey]).toEqual([null, null]);
      return;
    }
    expect(keys).toEqual({ kind: 'file', path: '/keys/clients' });
    expect(operatorKey).not.toBeNull();
    const { containers, volumes } = gateway.spec.template.spec;
    expect(containers[0]!.volumeMounts).toContainEqual({ name: 'keys', mountPath: '/keys', readOnly: true });
    const secret = {
      optional: true,
      secretName: 'layermesh-keys',
      items: [{ key: 'clients', path: 'clients' }],
    };
    expect(volumes).toContainEqual({ name: 'keys', secret });
    expect(containers[0]!.env).toContainEqual({
      name: 'LAYERMESH_OPERATOR_KEY',
      valueFrom: { secretKeyRef: { name: 'layermesh-keys', key: 'operator' } },
    });
  });

  it('names images by a tag that stays', () => {
    const images = deployments.map(({ spec }) => spec.template.spec.containers[0]!.image);
    expect(images.filter((image) => !/[:@]/.test(image) || image.endsWith(':latest'))).toEqual([]);
  });

  it('guards calls as the local system does', () => {
    const text = readFileSync(join(repositoryRoot, 'dapr', 'resiliency.yaml'), 'utf8');
    const [resiliency] = ofKind<Manifest & { spec: object }>(objects, 'Resiliency');
    expect(resiliency!.spec).toEqual((parse(text) as { spec: object }).spec);
  });

  it('scales each stage on metrics that the adapter knows, at thresholds that can be reached', () => {
    const { rules } = parse(readFileSync(join(k8sFolder, 'adapter', 'rules.yaml'), 'utf8')) as {
      rules: { name: { as: string } }[];
    };
    for (const scaler of ofKind<Autoscaler>(objects, 'HorizontalPodAutoscaler')) {
      const { metadata, spec } = scaler;
      const metrics = scalingMetrics(scaler);
      expect(spec.scaleTargetRef).toMatchObject({ kind: 'Deployment', name: metadata.name });
      const target = stages.find((stage) => stage.metadata.name === metadata.name)!;
      expect(target.spec.replicas).toBeUndefined();
      expect(spec.maxReplicas).toBeGreaterThan(spec.minReplicas);
      expect(spec.behavior.scaleDown.stabilizationWindowSeconds).toBeGreaterThanOrEqual(60);
      // What is demanded of its own Deployment, in replicas, and nothing else: of several, Kubernetes takes the highest.
      expect(metrics).toEqual([
        {
          name: 'layermesh_demanded_replicas',
          target: 1,
          path: `deployments.apps/${metadata.name}/layermesh_demanded_replicas`,
        },
      ]);
      expect(rules.map(({ name }) => name.as)).toContain(metrics[0]!.name);
      expect(spec.behavior.scaleUp.stabilizationWindowSeconds).toBe(0);
    }
  });
});

it('network policies let through DNS wherever it answers, and what the doctor asks of sidecars from wherever', async () => {
  const policies = ofKind<NetworkPolicy>(await overlay('production'), 'NetworkPolicy');
  const { ingress = [], egress = [] } = policies.find(({ metadata }) => metadata.name === 'mesh')!.spec;
  const portsOf = (rules: readonly PolicyRule[]): string[] =>
    rules.flatMap(({ ports = [] }) => ports.map(({ port, protocol = 'TCP' }) => `${protocol} ${port}`));
  expect(portsOf(egress.filter(({ to }) => to === undefined)).sort()).toEqual(['TCP 53', 'UDP 53']);
  expect(portsOf(ingress.filter(({ from }) => from === undefined))).toEqual(['TCP 3501']);
});

it('the adapter makes its metrics of series that a stage has', async () => {
  const rules = readFileSync(join(k8sFolder, 'adapter', 'rules.yaml'), 'utf8');
  const idle = { queueDepth: () => 0, sequences: () => 0, kvUsedRatio: () => 0 };
  const { registry } = createStageMetrics({ stage: 'stage-0', layers: '0-9' }, idle);
  const text = await registry.metrics();
  const series = [...rules.matchAll(/\b(layermesh_stage_\w+)\{/g)].map(([, name]) => name!);
  expect(new Set(series).size).toBe(3);
  for (const name of series) {
    // OpenMetrics names a counter's family without the suffix that its samples have.
    const family = name.replace(/_(count|sum|total)$/, '');
    expect(text).toMatch(
      new RegExp(`^# TYPE ${family} (${name.endsWith('_total') ? 'counter' : 'histogram'})$`, 'm'),
    );
    // Samples too, before the first step: else the metric of a stage that nobody has used is missing.
    expect(text).toMatch(new RegExp(`^${name}\\{`, 'm'));
  }
});
