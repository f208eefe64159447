import { checkAutoscalers } from '../../../scripts/lib/k8s/doctor/autoscalers.js';
import { checkMovement } from '../../../scripts/lib/k8s/doctor/movement.js';
import { lookPatiently, type Finding } from '../../../scripts/lib/k8s/doctor/finding.js';
import { checkPods } from '../../../scripts/lib/k8s/doctor/pods.js';
import type { Cluster } from '../../../scripts/lib/k8s/kubectl.js';
import type { LoadResult } from '../../../scripts/lib/k8s/load.js';
import type { Named } from '../../../scripts/lib/k8s/objects.js';

const POD = 'stage-1-abc';

const IMAGE = 'layermesh/stage:0.1.0';
const RUNNING = { running: { startedAt: '2026-11-29T06:00:00Z' } };

const container = (name: string, env: object[] = []) => ({
  name,
  image: name === 'daprd' ? 'daprio/daprd:1.18.0' : IMAGE,
  env,
  envFrom: [{ configMapRef: { name: 'layermesh-k5f8' } }],
  resources: { requests: { memory: '640Mi' }, limits: { memory: '640Mi' } },
});

const containerStatus = (name: string, change: object = {}) => ({
  name,
  image: name === 'daprd' ? 'daprio/daprd:1.18.0' : IMAGE,
  ready: true,
  restartCount: 0,
  state: RUNNING,
  lastState: {},
  ...change,
});

/** A pod as a healthy cluster shows it, with a native sidecar. */
const pod = (
  status: object = {},
  { app = 'stage-1', name = POD, env = [] as object[], ageMs = 3_600_000 } = {},
) => ({
  metadata: {
    name,
    annotations: { 'dapr.io/app-id': app },
    creationTimestamp: new Date(Date.now() - ageMs).toISOString(),
  },
  spec: {
    initContainers: [{ ...container('daprd'), restartPolicy: 'Always' }],
    containers: [container('stage', env)],
  },
  status: {
    phase: 'Running',
    conditions: [
      { type: 'PodScheduled', status: 'True' },
      { type: 'Ready', status: 'True' },
    ],
    initContainerStatuses: [containerStatus('daprd', { started: true })],
    containerStatuses: [containerStatus('stage', { started: true })],
    ...status,
  },
});

/** As `pod`, with a service that is in such a state and not ready. */
const notReady = (stage: object, daprd: object = {}) => ({
  conditions: [
    { type: 'PodScheduled', status: 'True' },
    { type: 'Ready', status: 'False', reason: 'ContainersNotReady' },
  ],
  initContainerStatuses: [containerStatus('daprd', daprd)],
  containerStatuses: [containerStatus('stage', { ready: false, ...stage })],
});

const config = {
  metadata: { name: 'layermesh-k5f8' },
  data: { LAYERMESH_SPLIT: '10,20', LAYERMESH_PRECISION: 'int8' },
};

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

const DEMAND = {
  type: 'Object',
  object: {
    metric: { name: 'layermesh_demanded_replicas' },
    describedObject: { kind: 'Deployment', name: 'stage-1' },
    target: { averageValue: '1' },
  },
};

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
    list: <Kind extends Named>(kind: string) => Promise.resolve((objects[kind] ?? []) as Kind[]),
    raw: (path) => new Promise((resolve) => resolve(raw(path))),
  };
}

const toFix = (findings: readonly Finding[]): string[] =>
  findings.filter(({ fix }) => fix !== null).map(({ what }) => what.replace(/ \(.*/, ''));

describe('the doctor looks at pods', () => {
  const look = (
    objects: Record<string, unknown[]>,
    logs: Readonly<Record<string, string>> = {},
    answer = metadata(),
  ) =>
    checkPods(
      cluster({ configmaps: [config], ...objects }, (path) => {
        const log = Object.entries(logs).find(([which]) => path.includes(`/log?container=${which}&`));
        if (path.includes('/log?')) return log?.[1] ?? '';
        return answer;
      }),
      'mesh',
    );
  const lookAt = (status: object, logs: Readonly<Record<string, string>> = {}) =>
    look({ pods: [pod(status)] }, logs);

  it('and finds nothing where all is well, also with the sidecar as an ordinary container', async () => {
    expect(toFix(await lookAt({}))).toEqual([]);
    const plain = pod({
      initContainerStatuses: [],
      containerStatuses: [containerStatus('stage'), containerStatus('daprd')],
    });
    const spec = { containers: [container('stage'), container('daprd')] };
    expect(toFix(await look({ pods: [{ ...plain, spec }] }))).toEqual([]);
  });

  it.each<[string, string, string]>([
    ['is of another app', metadata({ id: 'stage-2' }), 'the sidecar is that of stage-1'],
    ['has no store', metadata({ components: [] }), 'the component statestore is loaded'],
    ['has no resiliency', metadata({ resiliencies: undefined }), 'resiliency is loaded'],
    ['does not say', 'no JSON', 'the sidecar tells what it has loaded'],
  ])('and tells which sidecar %s', async (_what, answer, expected) => {
    expect(toFix(await look({ pods: [pod()] }, {}, answer))).toEqual([`${POD}: ${expected}`]);
  });

  it('and tells which has no sidecar', async () => {
    const bare = pod({ initContainerStatuses: [] });
    const findings = await look({ pods: [{ ...bare, spec: { containers: [container('stage')] } }] });
    expect(toFix(findings)).toEqual([`${POD}: the sidecar is injected`]);
  });

  const waiting = (reason: string, message?: string, more: object = {}) =>
    notReady({ state: { waiting: { reason, message } }, ...more });
  const killed = { exitCode: 137, reason: 'OOMKilled', finishedAt: new Date().toISOString() };

  it.each<[string, object, string, string]>([
    [
      'an image that does not exist, at first',
      waiting('ErrImagePull', 'failed to pull and unpack image: not found'),
      'the image of stage is there',
      `ErrImagePull: failed to pull and unpack image: not found (${IMAGE}): push it`,
    ],
    [
      'an image that does not exist, later',
      waiting('ImagePullBackOff', 'Back-off pulling image "layermesh/stage:0.1.0"'),
      'the image of stage is there',
      'ImagePullBackOff: Back-off pulling image',
    ],
    [
      "the sidecar's image",
      notReady(
        { state: { waiting: { reason: 'PodInitializing' } } },
        { ready: false, state: { waiting: { reason: 'ErrImagePull', message: 'denied' } } },
      ),
      'the image of daprd is there',
      'ErrImagePull: denied (daprio/daprd:1.18.0)',
    ],
    [
      'a secret that does not exist',
      waiting('CreateContainerConfigError', 'secret "dapr-app-token" not found'),
      'the configuration of stage is there',
      'CreateContainerConfigError: secret "dapr-app-token" not found',
    ],
    [
      'a program that does not exist',
      waiting('RunContainerError', 'exec: "nod": executable file not found'),
      'stage can be started',
      'RunContainerError: exec: "nod"',
    ],
    [
      'a service that ends again and again',
      waiting('CrashLoopBackOff', 'back-off 40s', {
        restartCount: 3,
        lastState: { terminated: { exitCode: 1, reason: 'Error' } },
      }),
      'stage stays up',
      'it ended with exit code 1 (Error), 3 times',
    ],
    [
      'a service that has just ended',
      notReady({ restartCount: 1, state: { terminated: { exitCode: 2, reason: 'Error', message: 'no' } } }),
      'stage stays up',
      'it ended with exit code 2 (Error): no, once',
    ],
    [
      'one that is killed for its memory',
      waiting('CrashLoopBackOff', 'back-off 10s', { restartCount: 2, lastState: { terminated: killed } }),
      'stage has enough memory',
      'OOMKilled, 2 times: it needs more than its limit of 640Mi; raise --memory',
    ],
    [
      'one that was killed for its memory and runs again',
      {
        containerStatuses: [containerStatus('stage', { restartCount: 1, lastState: { terminated: killed } })],
      },
      'stage has enough memory',
      'OOMKilled, once',
    ],
    [
      'no node',
      {
        phase: 'Pending',
        initContainerStatuses: undefined,
        containerStatuses: undefined,
        conditions: [
          {
            type: 'PodScheduled',
            status: 'False',
            reason: 'Unschedulable',
            message: '0/1 nodes are available: 1 Insufficient memory.',
          },
        ],
      },
      'it has a node',
      '0/1 nodes are available: 1 Insufficient memory.',
    ],
  ])('and reads from the status: %s', async (_what, status, what, fix) => {
    const findings = await lookAt(status);
    expect(toFix(findings)).toEqual([`${POD}: ${what}`]);
    expect(findings.find((each) => each.fix !== null)!.fix).toContain(fix);
  });

  it('and what a service said before it ended, or a sidecar', async () => {
    const ended = { restartCount: 4, lastState: { terminated: { exitCode: 1, reason: 'Error' } } };
    const loop = { state: { waiting: { reason: 'CrashLoopBackOff' } }, ready: false, ...ended };
    const dies =
      'error[invalid_split]: stage-1 is not one of the 1 stages of LAYERMESH_SPLIT (boundaries rise)';
    const service = await lookAt(notReady(loop), { stage: `{"level":30,"msg":"starting"}\n${dies}\n` });
    expect(service.at(-1)!.fix).toContain(`4 times; it said last: ${dies}`);
    const fatal =
      'time="2026-11-29" level=fatal msg="Fatal error from runtime: init state store: dial tcp redis:6379"';
    const sidecar = await lookAt(notReady({ state: { waiting: { reason: 'PodInitializing' } } }, loop), {
      daprd: `${fatal}\n`,
    });
    expect(toFix(sidecar)).toEqual([`${POD}: daprd stays up`]);
    expect(sidecar.at(-1)!.fix).toContain('dial tcp redis:6379');
  });

  it('and why a service is not ready, by its own last warning', async () => {
    const reason =
      'nobody serves this plan as gateway, stage-0, stage-2; there is gateway with split 10,20 instead of 8,20';
    const line = (level: number, msg: string) => JSON.stringify({ level, msg, reason });
    const log = [line(40, 'not ready'), line(30, 'link up')].join('\n');
    const findings = await lookAt(notReady({}), { stage: log });
    expect(toFix(findings)).toEqual([`${POD}: the service is ready`]);
    expect(findings.at(-1)!.fix).toBe(`not ready: ${reason}`);
    const young = await look({ pods: [pod(notReady({}), { ageMs: 9_000 })] }, { stage: log });
    expect(toFix(young)).toEqual([`${POD}: the service is ready`]);
  });

  it('and why a pod is not made, by its last event', async () => {
    const event = (message: string, name: string, lastTimestamp: string) => ({
      type: 'Warning',
      message,
      lastTimestamp,
      involvedObject: { name },
    });
    const creating = { ready: false, state: { waiting: { reason: 'PodInitializing' } } };
    const objects = {
      pods: [pod(notReady(creating, creating))],
      events: [
        event('MountVolume.SetUp failed for volume "weights"', POD, '2026-11-29T06:05:00Z'),
        event('older', POD, '2026-11-29T06:01:00Z'),
        event("another pod's", 'stage-0-x', '2026-11-29T06:09:00Z'),
      ],
    };
    const findings = await look(objects);
    expect(toFix(findings)).toEqual([`${POD}: the sidecar is ready`]);
    expect(findings.at(-1)!.fix).toBe('MountVolume.SetUp failed for volume "weights"');
  });

  it('and lets a pod start', async () => {
    const starting = pod(notReady({ started: false }), { ageMs: 12_000 });
    const findings = await look({ pods: [starting] });
    expect(toFix(findings)).toEqual([]);
    expect(findings.at(-1)!.what).toMatch(/: the service is starting, for 1\d s$/);
    const late = await look({ pods: [pod(notReady({ started: false }))] });
    expect(toFix(late)).toEqual([`${POD}: the service is ready`]);
  });

  it('and notices a service with another split than the others, whatever says it', async () => {
    const services = ['gateway', 'stage-0', 'stage-2'].map((app) => pod({}, { app, name: `${app}-abc` }));
    const odd = pod({}, { env: [{ name: 'LAYERMESH_SPLIT', value: '8,20' }] });
    const twin = pod({}, { name: 'stage-1-def', env: [{ name: 'LAYERMESH_SPLIT', value: '8,20' }] });
    const findings = await look({ pods: [odd, twin, ...services] }, {}, 'no JSON');
    const splits = findings.filter(({ what }) => what.includes('LAYERMESH_SPLIT'));
    expect(toFix(splits)).toEqual(
      [POD, 'stage-1-def'].map((name) => `${name}: LAYERMESH_SPLIT is that of the others`),
    );
    expect(splits[0]!.fix).toContain('it is "8,20", and "10,20" in gateway, stage-0, stage-2');
  });

  const template = { metadata: { annotations: { 'dapr.io/app-id': 'stage-1' } } };
  const deployment = { metadata: { name: 'stage-1' }, spec: { replicas: 2, template } };
  it('and notices pods that were never made, and who refused them', async () => {
    const missing = await look({ pods: [pod()], deployments: [deployment] });
    expect(toFix(missing)).toEqual(['stage-1: 1 of 2 pods are there']);
    const message = 'pods "stage-1-x" is forbidden: exceeded quota';
    const conditions = [{ type: 'ReplicaFailure', status: 'True', reason: 'FailedCreate', message }];
    const [refused] = await look({ deployments: [{ ...deployment, status: { conditions } }] });
    expect(refused).toEqual({ what: 'stage-1: 0 of 2 pods are there', fix: message });
  });

  it('and says so where nothing runs', async () => {
    expect(await look({})).toMatchObject([
      { what: 'pods in mesh', fix: expect.stringContaining('apply') as string },
    ]);
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
    ['is no ratio', {}, () => metric('4'), 'layermesh_stage_busy_ratio is what it can be'],
    ['is no number', {}, () => metric('-1'), 'layermesh_stage_busy_ratio is what it can be'],
    ['has no room', { maxReplicas: 1 }, () => metric('310m'), 'there is room to scale, from 1 to 1'],
    ['is not active', { active: 'False' }, () => metric('310m'), 'the autoscaler is active'],
  ])('and tells which metric %s', async (_what, given, answer, expected) => {
    expect(toFix(await look(given, answer))).toEqual([`stage-1: ${expected}`]);
  });
});

describe('the doctor looks at a metric of the whole stage', () => {
  const demand = {
    ...autoscaler(),
    spec: { ...autoscaler().spec, metrics: [DEMAND] },
  };
  const look = (answer: (path: string) => string) =>
    checkAutoscalers(cluster({ pods: [pod()], horizontalpodautoscalers: [demand] }, answer), 'mesh');

  it('where its Deployment is told of', async () => {
    const paths: string[] = [];
    const findings = await look((path) => {
      paths.push(path);
      return metric('2300m', 'stage-1');
    });
    expect(toFix(findings)).toEqual([]);
    expect(paths).toEqual([
      '/apis/custom.metrics.k8s.io/v1beta2/namespaces/mesh/deployments.apps/stage-1/layermesh_demanded_replicas',
    ]);
    expect(findings.map(({ what }) => what)).toContain(
      'stage-1: layermesh_demanded_replicas exists for the stage (2.300 on average)',
    );
  });

  it('and misses it', async () => {
    expect(toFix(await look(() => JSON.stringify({ items: [] })))).toEqual([
      'stage-1: layermesh_demanded_replicas exists for the stage',
    ]);
  });
});

describe('the doctor makes load', () => {
  const result = { answered: 8, tokens: 512, failures: [] as string[], seconds: 1 };
  const untilAborted = (signal: AbortSignal, became: object = {}): Promise<LoadResult> =>
    new Promise((resolve) => signal.addEventListener('abort', () => resolve({ ...result, ...became })));
  const scaler = autoscaler();
  const queue = {
    type: 'Pods',
    pods: { metric: { name: 'layermesh_stage_queue_seconds' }, target: { averageValue: '500m' } },
  };
  const objects = {
    pods: [pod()],
    horizontalpodautoscalers: [
      { ...scaler, spec: { ...scaler.spec, metrics: [...scaler.spec.metrics, queue] } },
    ],
  };

  /** A cluster whose busy ratio goes from the one value to the other when the load begins. */
  const look = (
    [from, to]: [string, string],
    patienceMs: number,
    became: object = {},
    waited = '12m',
  ): Promise<Finding[]> => {
    let loaded = false;
    const watched = cluster(objects, (path) => metric(path.includes('queue') ? waited : loaded ? to : from));
    const load = (signal: AbortSignal): Promise<LoadResult> => {
      loaded = true;
      return untilAborted(signal, became);
    };
    return checkMovement(watched, 'mesh', load, patienceMs);
  };

  it.each<[string, [string, string], string]>([
    ['idle', ['0', '500m'], '0'],
    ['idle and little moved by the load', ['0', '90m'], '3m'],
    ['loaded already, and not more so', ['740m', '740m'], '48m'],
  ])('and finds nothing on a mesh that is %s, far from all targets', async (_what, values, waited) => {
    const findings = await look(values, 10_000, {}, waited);
    expect(toFix(findings)).toEqual([]);
    expect(findings.at(-1)!.what).toContain('of 0.7, layermesh_stage_queue_seconds');
  });

  it('and misses metrics that stay at nothing', async () => {
    expect(toFix(await look(['0', '0'], 1, {}, '0'))).toEqual(['stage-1: its metrics show the load']);
    expect(toFix(await look(['0', '5m'], 1, {}, '1m'))).toEqual(['stage-1: its metrics show the load']);
  });

  describe('and times what is demanded', () => {
    /** Demand that is `from`, and `to` so many looks after the load has begun. */
    const watch = async (from: string, to: string, looks: number): Promise<Finding[]> => {
      let left = Infinity;
      const demand = { ...scaler, spec: { ...scaler.spec, metrics: [DEMAND] } };
      const watched = cluster({ pods: [pod()], horizontalpodautoscalers: [demand] }, () =>
        metric(--left < 0 ? to : from, 'stage-1'),
      );
      const load = (signal: AbortSignal): Promise<LoadResult> => {
        left = looks;
        return untilAborted(signal);
      };
      return checkMovement(watched, 'mesh', load, 1_000, { lookMs: 10, freshMs: 200 });
    };

    it('which follows at once', async () => {
      const findings = await watch('40m', '1300m', 2);
      expect(toFix(findings)).toEqual([]);
      expect(findings.at(-1)!.what).toMatch(/follows a load within 0.2 s \(after 0\.\d s\)$/);
    });

    it('or too late', async () => {
      const findings = await watch('0', '1300m', 40);
      expect(toFix(findings)).toEqual(['stage-1: layermesh_demanded_replicas follows a load within 0.2 s']);
      expect(findings.at(-1)!.fix).toContain('every 2 s');
    });

    it('or is as high as before, which tells nothing', async () => {
      const findings = await watch('1300m', '1300m', 0);
      expect(toFix(findings)).toEqual([]);
      expect(findings.at(-1)!.what).toContain('was not seen');
    });
  });

  it('and says that requests fail', async () => {
    const findings = await look(['20m', '500m'], 10_000, { answered: 0, failures: ['503 nothing'] });
    expect(toFix(findings)).toEqual(['requests are answered']);
    expect(findings[0]!.fix).toBe('503 nothing');
  });
});

describe('the doctor looks again', () => {
  const ill: Finding = { what: 'it', fix: 'wait' };
  it('while there is something to fix, within its patience', async () => {
    let looks = 0;
    const look = () => Promise.resolve([++looks < 3 ? ill : { ...ill, fix: null }]);
    expect(toFix(await lookPatiently(look, 10_000, 1))).toEqual([]);
    expect(looks).toBe(3);
    expect(toFix(await lookPatiently(() => Promise.resolve([ill]), 5, 1))).toEqual(['it']);
  });
});
