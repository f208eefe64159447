import { join } from 'node:path';
import {
  armOf,
  mostMilliCpu,
  networkArm,
  singleArms,
} from '../../../../scripts/lib/measure/experiment/cpu/arms.js';
import { writeArmOverlay } from '../../../../scripts/lib/measure/sites/arm-overlay.js';
import type { Arm } from '../../../../scripts/lib/measure/experiment/arm.js';
import { kustomize } from '../../../../scripts/lib/k8s/kubectl.js';
import {
  quantity,
  type Autoscaler,
  type Deployment,
  type Manifest,
} from '../../../../scripts/lib/k8s/objects.js';
import { ofKind } from '../../../support/rendered.js';
import { temporaryFolder } from '../../../support/temporary-folder.js';

const folder = temporaryFolder();
const budget = { split: [6, 24], serviceMilliCpu: 200, sidecarMilliCpu: 100 };

async function objectsOf(arm: Arm): Promise<Manifest[]> {
  const overlay = join(folder.path, arm.name);
  await writeArmOverlay(overlay, arm, { namespace: 'trial', tag: 'local' });
  return kustomize(overlay);
}

const stagesOf = (objects: Manifest[]): Deployment[] =>
  ofKind<Deployment>(objects, 'Deployment').filter(({ metadata }) => metadata.name.startsWith('stage-'));

/** The most that the pods of the stages may take, thousandths of a processor, by what the cluster is told. */
function mostLimits(objects: Manifest[]): number {
  const autoscalers = ofKind<Autoscaler>(objects, 'HorizontalPodAutoscaler');
  return stagesOf(objects).reduce((sum, { metadata, spec }) => {
    const scaler = autoscalers.find(({ spec: each }) => each.scaleTargetRef.name === metadata.name);
    const replicas = scaler?.spec.maxReplicas ?? spec.replicas!;
    const service = quantity(spec.template.spec.containers[0]!.resources.limits.cpu);
    const sidecar = quantity(spec.template.metadata!.annotations!['dapr.io/sidecar-cpu-limit']!);
    return sum + replicas * (service + sidecar) * 1000;
  }, 0);
}

describe('the overlay of an arm', () => {
  it.each(['a', 'b', 'c'] as const)('keeps %s within the budget', async (name) => {
    const arm = armOf(name, budget, [1, 3, 2]);
    const objects = await objectsOf(arm);
    expect(stagesOf(objects)).toHaveLength(arm.stages.length);
    expect(mostLimits(objects)).toBeCloseTo(mostMilliCpu(arm));
  });

  it('has an autoscaler for each stage where replicas are not fixed, and none elsewhere', async () => {
    const bounds = (objects: Manifest[]): number[][] =>
      ofKind<Autoscaler>(objects, 'HorizontalPodAutoscaler').map(({ spec }) => [
        spec.minReplicas,
        spec.maxReplicas,
      ]);
    expect(bounds(await objectsOf(armOf('c', budget, [1, 3, 2])))).toEqual([
      [1, 1],
      [1, 3],
      [1, 2],
    ]);
    for (const arm of [armOf('b', budget, []), singleArms(budget).a]) {
      const objects = await objectsOf(arm);
      expect(bounds(objects)).toEqual([]);
      expect(stagesOf(objects).map(({ spec }) => spec.replicas)).toEqual(arm.stages.map(({ min }) => min));
    }
  });

  it('is open to whoever reaches it, as the load does', async () => {
    for (const arm of [singleArms(budget).c, networkArm('direct', budget)]) {
      const [shared] = ofKind<Manifest & { data: object }>(await objectsOf(arm), 'ConfigMap');
      expect(shared!.data).toMatchObject({ LAYERMESH_INSECURE: '1' });
    }
  });

  it('marks its namespace as one that may be deleted', async () => {
    const [namespace] = ofKind(await objectsOf(singleArms(budget).c), 'Namespace');
    expect(namespace!.metadata.labels).toMatchObject({
      'layermesh.io/disposable': 'true',
      'pod-security.kubernetes.io/enforce': 'restricted',
    });
  });

  it('without Dapr has no sidecars, and listens at the addresses of its pods', async () => {
    const deployments = stagesOf(await objectsOf(networkArm('direct', budget)));
    for (const { spec } of deployments) {
      expect(spec.template.metadata!.annotations!['dapr.io/enabled']).toBe('false');
      const env = new Map(spec.template.spec.containers[0]!.env!.map((each) => [each.name, each]));
      expect(env.get('LAYERMESH_MESH')).toMatchObject({ value: 'direct' });
      expect(env.get('LAYERMESH_HOST')).toEqual({
        name: 'LAYERMESH_HOST',
        valueFrom: { fieldRef: { fieldPath: 'status.podIP' } },
      });
    }
  });
});

describe('the overlay of an emulated arm', () => {
  const emulated = { shape: 'llama-2-13b', start: 'stock', storageGBps: 5, dilation: 4, hopMs: 1.5 } as const;
  const free = { min: 1, max: 3, milliCpu: 0, sidecarMilliCpu: 0 };
  const arm: Arm = {
    name: 'mixed',
    title: 'two stages on two kinds of device, and one replica more of the first',
    split: [30],
    stages: [
      { name: 'stage-0', ...free, device: 'a100-40g', more: ['l40s'] },
      { name: 'stage-1', ...free, device: 'l4' },
    ],
    mesh: 'dapr',
    emulated,
  };
  const serviceOf = ({ spec }: Deployment) => spec.template.spec.containers[0]!;
  const variable = (deployment: Deployment, name: string): string | undefined =>
    serviceOf(deployment).env!.find((each) => each.name === name)?.value;

  it('tells all what they share, and each stage its device', async () => {
    const objects = await objectsOf(arm);
    const [shared] = ofKind<Manifest & { data: Record<string, string> }>(objects, 'ConfigMap').filter(
      ({ metadata }) => metadata.name.startsWith('layermesh'),
    );
    expect(shared!.data).toMatchObject({
      LAYERMESH_ENGINE: 'timed',
      LAYERMESH_SHAPE: 'llama-2-13b',
      LAYERMESH_START: 'stock',
      LAYERMESH_STORAGE_GBPS: '5',
      LAYERMESH_DILATE: '4',
      LAYERMESH_HOP_MS: '1.5',
      LAYERMESH_PREFIX_CACHE_MB: '0',
      LAYERMESH_MAX_BATCH_ROWS: '512',
      LAYERMESH_REROUTE_PATIENCE: '240',
    });
    expect(shared!.data).not.toHaveProperty('LAYERMESH_KV_TOKENS');
    const devices = stagesOf(objects).map((each) => [each.metadata.name, variable(each, 'LAYERMESH_DEVICE')]);
    expect(new Map(devices as [string, string][])).toEqual(
      new Map([
        ['stage-0', 'a100-40g'],
        ['stage-0-more-0', 'l40s'],
        ['stage-1', 'l4'],
      ]),
    );
  });

  it('holds nothing back, and lets engines go before all others', async () => {
    const objects = await objectsOf(arm);
    for (const stage of stagesOf(objects)) {
      const { resources, securityContext } = serviceOf(stage);
      expect(resources.limits).toEqual({ memory: '512Mi' });
      expect(quantity(resources.requests.cpu)).toBeLessThan(0.1);
      expect(securityContext).toMatchObject({
        runAsUser: 0,
        capabilities: { add: ['SYS_NICE'], drop: ['ALL'] },
      });
      expect(stage.spec.template.metadata!.annotations).not.toHaveProperty('dapr.io/sidecar-cpu-limit');
    }
    const [namespace] = ofKind(objects, 'Namespace');
    expect(namespace!.metadata.labels).toMatchObject({ 'pod-security.kubernetes.io/enforce': 'privileged' });
  });

  it('waits and scales by the time of the arm', async () => {
    const objects = await objectsOf(arm);
    const [stage] = stagesOf(objects);
    expect(serviceOf(stage!).startupProbe!.failureThreshold).toBe(1_200);
    expect(stage!.spec.template.spec.terminationGracePeriodSeconds).toBe(240);
    expect(variable(stage!, 'LAYERMESH_DRAIN_SECONDS')).toBe('120');
    const [scaler] = ofKind<Autoscaler>(objects, 'HorizontalPodAutoscaler');
    expect(scaler!.spec.behavior).toMatchObject({
      scaleUp: { policies: [{ periodSeconds: 60 }, { periodSeconds: 60 }] },
      scaleDown: { stabilizationWindowSeconds: 60, policies: [{ periodSeconds: 60 }] },
    });
  });

  it('has a Deployment of its own for each further replica, and all else of the stage once', async () => {
    const objects = await objectsOf({ ...arm, mesh: 'direct' });
    const [own, further] = stagesOf(objects);
    expect(further!.metadata.name).toBe('stage-0-more-0');
    expect(further!.spec.replicas).toBe(1);
    const annotations = further!.spec.template.metadata!.annotations!;
    expect(annotations).toMatchObject({ 'dapr.io/app-id': 'stage-0', 'dapr.io/config': 'stage-0' });
    expect(annotations['dapr.io/enabled']).toBe('false');
    expect(further!.spec.template.spec.serviceAccountName).toBe('stage-0');
    expect(serviceOf(further!).envFrom).toEqual(serviceOf(own!).envFrom);
    expect(further!.spec.selector.matchLabels).toEqual({
      ...own!.spec.selector.matchLabels,
      'layermesh.io/more': '0',
    });
    const stageObjects = (kind: string) =>
      ofKind(objects, kind).filter(({ metadata }) => metadata.name.startsWith('stage-'));
    for (const kind of ['Service', 'ServiceAccount', 'PodDisruptionBudget', 'Configuration'])
      expect(stageObjects(kind)).toHaveLength(2);
  });
});
