import { checkAutoscalers } from '../../../scripts/lib/k8s/doctor/autoscalers.js';
import { checkMovement } from '../../../scripts/lib/k8s/doctor/movement.js';
import { checkSidecars } from '../../../scripts/lib/k8s/doctor/sidecars.js';
import type { Finding } from '../../../scripts/lib/k8s/doctor/finding.js';
import type { Cluster } from '../../../scripts/lib/k8s/kubectl.js';
import type { Manifest } from '../../../scripts/lib/k8s/manifest.js';

const POD = 'stage-1-abc';

/** A pod as a healthy cluster shows it. */
const pod = (change: object = {}) => ({
  metadata: { name: POD, annotations: { 'dapr.io/app-id': 'stage-1' } },
  status: {
    conditions: [{ type: 'Ready', status: 'True' }],
    initContainerStatuses: [{ name: 'daprd', ready: true, restartCount: 0 }],
    ...change,
  },
});

const autoscaler = (change: { averageValue?: string; maxReplicas?: number; active?: string } = {}) => ({
  metadata: { name: 'stage-1' },
  spec: {
    scaleTargetRef: { kind: 'Deployment', name: 'stage-1' },
    minReplicas: 1,
    maxReplicas: change.maxReplicas ?? 4,
    metrics: [
      {
        type: 'Pods',
        pods: {
          metric: { name: 'layermesh_stage_busy_ratio' },
          target: { averageValue: change.averageValue ?? '700m' },
        },
      },
    ],
  },
  status: { conditions: [{ type: 'ScalingActive', status: change.active ?? 'True', message: 'no metrics' }] },
});

const metadata = (change: object = {}): string =>
  JSON.stringify({
    id: 'stage-1',
    components: [{ name: 'statestore' }],
    resiliencies: [{ name: 'layermesh' }],
    ...change,
  });

const metric = (value: string, name = POD, ageMs = 0): string =>
  JSON.stringify({
    items: [{ describedObject: { name }, timestamp: new Date(Date.now() - ageMs).toISOString(), value }],
  });

/** Answers as it is told; a `raw` that throws is a cluster that refuses. */
function cluster(objects: Record<string, unknown[]>, raw: (path: string) => string): Cluster {
  return {
    list: <Kind extends Manifest>(kind: string) => Promise.resolve((objects[kind] ?? []) as Kind[]),
    raw: (path) => new Promise((resolve) => resolve(raw(path))),
  };
}

const toFix = (findings: readonly Finding[]): string[] =>
  findings.filter(({ fix }) => fix !== null).map(({ what }) => what.replace(/ \(.*/, ''));

describe('the doctor looks at sidecars', () => {
  const look = (status: object, answer = metadata()) =>
    checkSidecars(
      cluster({ pods: [pod(status)] }, () => answer),
      'mesh',
    );

  it('and finds nothing where all is well, also with the sidecar as an ordinary container', async () => {
    expect(toFix(await look({}))).toEqual([]);
    const plain = { initContainerStatuses: [], containerStatuses: [{ name: 'daprd', ready: true }] };
    expect(toFix(await look(plain))).toEqual([]);
  });

  it.each<[string, object, string, string]>([
    ['is not injected', { initContainerStatuses: [] }, metadata(), 'the sidecar is injected'],
    [
      'is not ready',
      { initContainerStatuses: [{ name: 'daprd', ready: false }] },
      metadata(),
      'the sidecar is ready',
    ],
    ['waits for its service', { conditions: [] }, metadata(), 'the service is ready'],
    ['is of another app', {}, metadata({ id: 'stage-2' }), 'the sidecar is that of stage-1'],
    ['has no store', {}, metadata({ components: [] }), 'the component statestore is loaded'],
    ['has no resiliency', {}, metadata({ resiliencies: undefined }), 'resiliency is loaded'],
    ['does not say', {}, 'no JSON', 'the sidecar tells what it has loaded'],
  ])('and tells which one %s', async (_what, status, answer, expected) => {
    expect(toFix(await look(status, answer))).toEqual([`${POD}: ${expected}`]);
  });

  it('and says so where nothing runs', async () => {
    expect(
      await checkSidecars(
        cluster({}, () => ''),
        'mesh',
      ),
    ).toMatchObject([{ what: 'pods in mesh', fix: expect.stringContaining('apply') as string }]);
  });
});

describe('the doctor looks at autoscalers', () => {
  const look = (given: Parameters<typeof autoscaler>[0], answer: () => string, pods = [pod()]) =>
    checkAutoscalers(cluster({ pods, horizontalpodautoscalers: [autoscaler(given)] }, answer), 'mesh');

  it('and finds nothing where all is well', async () => {
    expect(toFix(await look({}, () => metric('310m')))).toEqual([]);
  });

  const refuse = (): string => {
    throw new Error('the server could not find the metric');
  };
  it.each<[string, Parameters<typeof autoscaler>[0], () => string, string]>([
    ['the adapter does not know', {}, refuse, 'layermesh_stage_busy_ratio exists'],
    [
      'no value of the pod comes from',
      {},
      () => metric('1', 'stage-1-old'),
      'layermesh_stage_busy_ratio exists for each of 1 pods',
    ],
    ['is stale', {}, () => metric('310m', POD, 120_000), 'layermesh_stage_busy_ratio is fresh'],
    [
      'has a target in percent',
      { averageValue: '70' },
      () => metric('310m'),
      'layermesh_stage_busy_ratio can reach its target of 70',
    ],
    [
      'has a target within the tolerance of its end',
      { averageValue: '950m' },
      () => metric('310m'),
      'layermesh_stage_busy_ratio can reach its target of 0.95',
    ],
    ['has no room', { maxReplicas: 1 }, () => metric('310m'), 'there is room to scale, from 1 to 1'],
    ['is not active', { active: 'False' }, () => metric('310m'), 'the autoscaler is active'],
  ])('and tells which metric %s', async (_what, given, answer, expected) => {
    expect(toFix(await look(given, answer))).toEqual([`stage-1: ${expected}`]);
  });
});

describe('the doctor makes load', () => {
  const objects = { pods: [pod()], horizontalpodautoscalers: [autoscaler()] };
  const untilAborted = (signal: AbortSignal): Promise<void> =>
    new Promise((resolve) => signal.addEventListener('abort', () => resolve()));

  it('and sees a metric that rises', async () => {
    let loaded = false;
    const load = (signal: AbortSignal): Promise<void> => {
      loaded = true;
      return untilAborted(signal);
    };
    const watched = cluster(objects, () => metric(loaded ? '500m' : '20m'));
    expect(toFix(await checkMovement(watched, 'mesh', load, 10_000))).toEqual([]);
  });

  it('and misses one that does not', async () => {
    const still = cluster(objects, () => metric('20m'));
    expect(toFix(await checkMovement(still, 'mesh', untilAborted, 1))).toEqual([
      'stage-1: layermesh_stage_busy_ratio moves with load',
    ]);
  });
});
