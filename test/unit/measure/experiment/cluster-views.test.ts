import type { Pod } from '../../../../scripts/lib/k8s/objects.js';
import {
  appOf,
  cpuLimitOf,
  lifeOf,
  scaleViews,
  type Autoscaler,
  type Deployment,
} from '../../../../scripts/lib/measure/sites/pod-watch.js';

const pod = (status: Pod['status'], appId = 'stage-1'): Pod => ({
  metadata: {
    name: 'stage-1-abc',
    creationTimestamp: '2026-11-27T07:00:00Z',
    annotations: { 'dapr.io/app-id': appId },
  },
  spec: {
    containers: [
      {
        name: 'stage',
        env: [{ name: 'LAYERMESH_DEVICE', value: 'l4' }],
        resources: { limits: { cpu: '200m' } },
      },
      { name: 'other' },
    ],
    initContainers: [{ name: 'daprd', resources: { limits: { cpu: '100m' } } }],
  },
  status,
});

const container = { ready: true, restartCount: 0 };
const condition = (type: string, lastTransitionTime: string, status = 'True') => ({
  type,
  status,
  lastTransitionTime,
});

describe('a pod', () => {
  it('belongs to the gateway or to a stage, or is none of ours', () => {
    expect(appOf(pod({}))).toBe('stage-1');
    expect(appOf(pod({}, 'gateway'))).toBe('gateway');
    expect(appOf(pod({}, 'redis'))).toBeNull();
    expect(appOf({ ...pod({}), metadata: { name: 'redis-x', creationTimestamp: '' } })).toBeNull();
  });

  it('may use what its containers may, a native sidecar with them', () => {
    expect(cpuLimitOf(pod({}))).toBeCloseTo(0.3);
  });

  it('tells when it came to what', () => {
    const second = (at: number): number => Date.parse('2026-11-27T07:00:00Z') + at * 1000;
    const status: Pod['status'] = {
      conditions: [
        condition('PodScheduled', '2026-11-27T07:00:01Z'),
        condition('Ready', '2026-11-27T07:00:09Z'),
      ],
      containerStatuses: [
        { ...container, name: 'daprd', state: { running: { startedAt: '2026-11-27T07:00:02Z' } } },
        { ...container, name: 'stage', state: { running: { startedAt: '2026-11-27T07:00:04Z' } } },
      ],
    };
    expect(lifeOf(pod(status), 'stage-1')).toEqual({
      name: 'stage-1-abc',
      app: 'stage-1',
      created: second(0),
      scheduled: second(1),
      started: second(4),
      ready: second(9),
      ended: null,
      device: 'l4',
    });
  });

  it('has not come to what is not so yet', () => {
    const status = {
      conditions: [condition('Ready', '2026-11-27T07:00:00Z', 'False')],
      containerStatuses: [{ ...container, name: 'stage', state: {} }],
    };
    expect(lifeOf(pod(status), 'stage-1')).toMatchObject({ scheduled: null, started: null, ready: null });
  });
});

const closeTo = (value: number): unknown => expect.closeTo(value, 9);

describe('the scale of a stage', () => {
  const deployment = (name: string, replicas: number, readyReplicas?: number): Deployment => ({
    metadata: { name },
    spec: { replicas },
    status: { ...(readyReplicas !== undefined && { readyReplicas }) },
  });
  const autoscaler: Autoscaler = {
    spec: {
      scaleTargetRef: { kind: 'Deployment', name: 'stage-1' },
      metrics: [{ type: 'Pods', pods: { metric: { name: 'busy' }, target: { averageValue: '700m' } } }],
    },
  };
  const value = (name: string, text: string) => ({ describedObject: { name }, value: text });

  it('has the mean of its own pods as the metrics API tells them', () => {
    const values = [value('stage-1-a', '900m'), value('stage-1-b', '1'), value('stage-10-a', '0')];
    const views = scaleViews(
      [deployment('gateway', 1, 1), deployment('stage-0', 2, 2), deployment('stage-1', 3)],
      [autoscaler],
      new Map([['pods/*/busy', values]]),
    );
    expect(views).toEqual([
      { app: 'stage-0', desired: 2, ready: 2, metrics: [] },
      {
        app: 'stage-1',
        desired: 3,
        ready: 0,
        metrics: [{ name: 'busy', value: closeTo(0.95), target: closeTo(0.7) }],
      },
    ]);
  });

  it('has the share of each replica of what is told of the whole stage', () => {
    const target = { averageValue: '1' };
    const describedObject = { kind: 'Deployment', name: 'stage-1' };
    const metrics = [{ type: 'Object', object: { metric: { name: 'demand' }, describedObject, target } }];
    const [view] = scaleViews(
      [deployment('stage-1', 2)],
      [{ spec: { ...autoscaler.spec, metrics } }],
      new Map([['deployments.apps/stage-1/demand', [value('stage-1', '2600m')]]]),
    );
    expect(view!.metrics).toEqual([{ name: 'demand', value: closeTo(1.3), target: 1 }]);
  });

  it('has no value while there is none', () => {
    const [view] = scaleViews([deployment('stage-1', 1)], [autoscaler], new Map());
    expect(view!.metrics).toEqual([{ name: 'busy', value: null, target: closeTo(0.7) }]);
  });
});
