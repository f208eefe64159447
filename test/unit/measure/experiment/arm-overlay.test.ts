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
  ofKind,
  quantity,
  type Autoscaler,
  type Deployment,
  type Manifest,
} from '../../../../scripts/lib/k8s/objects.js';
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
