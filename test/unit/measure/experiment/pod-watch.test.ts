import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { armOf } from '../../../../scripts/lib/measure/experiment/cpu/arms.js';
import { PodWatch } from '../../../../scripts/lib/measure/sites/pod-watch.js';

const never = new AbortController().signal;
const NAMESPACE = '/api/v1/namespaces/trial';

const stagePage = [
  'process_cpu_seconds_total{stage="stage-0"} 12.5',
  'process_resident_memory_bytes{stage="stage-0"} 1000',
  'layermesh_stage_busy_seconds_total{stage="stage-0"} 3',
].join('\n');

const pod = (name: string, app: string, ready: boolean) => ({
  metadata: { name, creationTimestamp: '2026-11-27T07:00:00Z', annotations: { 'dapr.io/app-id': app } },
  spec: { containers: [{ resources: { limits: { cpu: '200m' } } }] },
  status: {
    conditions: [
      { type: 'Ready', status: ready ? 'True' : 'False', lastTransitionTime: '2026-11-27T07:00:05Z' },
    ],
  },
});

/** Answers as an API server does; a path that is not there is not found. */
function apiOf(answers: Record<string, unknown>) {
  return {
    url: `http://127.0.0.1:${(pages.address() as AddressInfo).port}`,
    get: <Value>(path: string): Promise<Value> =>
      path in answers
        ? Promise.resolve(answers[path] as Value)
        : Promise.reject(new Error(`HTTP 404: ${path}`)),
  };
}

let pages: Server;
beforeAll(async () => {
  pages = createServer((request, response) => {
    const found = request.url === `${NAMESPACE}/pods/stage-0-a:7100/proxy/metrics`;
    response.writeHead(found ? 200 : 503).end(found ? stagePage : '');
  }).listen(0, '127.0.0.1');
  await once(pages, 'listening');
});
afterAll(async () => {
  pages.closeAllConnections();
  pages.close();
  await once(pages, 'close');
});

const deployments = {
  items: [{ metadata: { name: 'stage-0' }, spec: { replicas: 2 }, status: { readyReplicas: 1 } }],
};
const metric = { metric: { name: 'busy' }, target: { averageValue: '700m' } };
const autoscalers = {
  items: [{ spec: { scaleTargetRef: { name: 'stage-0' }, metrics: [{ pods: metric }] } }],
};
const arm = armOf('a', { split: [], serviceMilliCpu: 200, sidecarMilliCpu: 100 }, []);

describe('an arm seen through the API', () => {
  const answers: Record<string, unknown> = {
    [`${NAMESPACE}/pods`]: {
      items: [
        pod('stage-0-a', 'stage-0', true),
        pod('stage-0-b', 'stage-0', false),
        pod('redis-x', 'redis', true),
      ],
    },
    '/apis/apps/v1/namespaces/trial/deployments': deployments,
    '/apis/autoscaling/v2/namespaces/trial/horizontalpodautoscalers': autoscalers,
  };
  const path = '/apis/custom.metrics.k8s.io/v1beta2/namespaces/trial/pods/*/busy';

  it('has its scale, and of each pod what its pages tell, as far as they do', async () => {
    const values = { items: [{ describedObject: { name: 'stage-0-a' }, value: '900m' }] };
    const watch = new PodWatch(apiOf({ ...answers, [path]: values }), arm, 'trial');
    const { scales, pods } = await watch.observe(never);
    expect(scales).toEqual([
      {
        app: 'stage-0',
        desired: 2,
        ready: 1,
        metrics: [
          { name: 'busy', value: expect.closeTo(0.9) as number, target: expect.closeTo(0.7) as number },
        ],
      },
    ]);
    expect(pods).toEqual([
      expect.objectContaining({
        name: 'stage-0-a',
        cpuLimit: 0.2,
        service: { cpuSeconds: 12.5, rssBytes: 1000 },
        sidecar: null,
        counters: expect.objectContaining({ busySeconds: 3 }) as object,
      }),
      expect.objectContaining({ name: 'stage-0-b', service: null, counters: null }),
    ]);
  });

  it('has no value of a metric that does not exist yet', async () => {
    const { scales } = await new PodWatch(apiOf(answers), arm, 'trial').observe(never);
    expect(scales[0]!.metrics[0]!.value).toBeNull();
  });

  it('remembers that a pod was ready when it is not any more', async () => {
    const changing = { ...answers };
    const watch = new PodWatch(apiOf(changing), arm, 'trial');
    await watch.observe(never);
    changing[`${NAMESPACE}/pods`] = { items: [pod('stage-0-a', 'stage-0', false)] };
    await watch.observe(never);
    const ready = new Map(watch.lives.map((life) => [life.name, life.ready]));
    expect(ready).toEqual(
      new Map([
        ['stage-0-a', Date.parse('2026-11-27T07:00:05Z')],
        ['stage-0-b', null],
      ]),
    );
  });

  it('tells when a pod was gone, which is later than it was asked to go', async () => {
    const changing = { ...answers };
    const watch = new PodWatch(apiOf(changing), arm, 'trial');
    await watch.observe(never);
    const going = pod('stage-0-a', 'stage-0', false);
    const asked = { ...going, metadata: { ...going.metadata, deletionTimestamp: '2026-11-27T07:10:00Z' } };
    changing[`${NAMESPACE}/pods`] = { items: [asked, pod('stage-0-b', 'stage-0', true)] };
    await watch.observe(never);
    const ended = () => new Map(watch.lives.map((life) => [life.name, life.ended]));
    expect(ended().get('stage-0-a')).toBeNull();

    const before = Date.now();
    changing[`${NAMESPACE}/pods`] = { items: [pod('stage-0-b', 'stage-0', true)] };
    await watch.observe(never);
    await watch.observe(never);
    expect(ended().get('stage-0-a')).toBeGreaterThanOrEqual(before);
    expect(ended().get('stage-0-a')).toBeLessThanOrEqual(Date.now());
    expect(ended().get('stage-0-b')).toBeNull();
  });
});
