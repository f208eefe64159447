import { errorOf, greedyTokens, post } from '../support/completions.js';
import { eventually } from '../support/eventually.js';
import { startSystem, type TestSystem } from '../support/local-system.js';

const PROMPT = [504, 3575, 282, 4649, 314];

/** How many streams a sidecar has sent to, or received from, other app-ids. */
async function streams(metricsPort: number, direction: 'sent' | 'recv'): Promise<Map<string, number>> {
  const text = await (await fetch(`http://127.0.0.1:${metricsPort}/metrics`)).text();
  const name = `dapr_runtime_service_invocation_req_${direction}_total`;
  const label = direction === 'sent' ? 'dst_app_id' : 'src_app_id';
  const counts = new Map<string, number>();
  for (const line of text.split('\n')) {
    if (!line.startsWith(name) || !line.includes('type="streaming"')) continue;
    const app = new RegExp(`${label}="([^"]*)"`).exec(line)?.[1] ?? '';
    counts.set(app, (counts.get(app) ?? 0) + Number(line.split(' ').at(-1)));
  }
  return counts;
}

describe('every hop passes a sidecar', () => {
  let system: TestSystem;
  beforeAll(async () => {
    system = await startSystem({ mesh: 'dapr', split: [10, 20], precision: 'int8' });
  }, 120_000);
  afterAll(() => system.stop());

  it("counted in Dapr's own metrics", async () => {
    await greedyTokens(system.url, PROMPT, 4);
    const sent = async (appId: string) => streams(system.members(appId)[0]!.sidecarMetricsPort, 'sent');
    const received = async (appId: string) => streams(system.members(appId)[0]!.sidecarMetricsPort, 'recv');
    const gateway = await sent('gateway');
    for (const stage of ['stage-0', 'stage-1', 'stage-2'])
      expect(gateway.get(stage)).toBeGreaterThanOrEqual(1);
    expect((await sent('stage-0')).get('stage-1')).toBeGreaterThanOrEqual(1);
    expect((await sent('stage-1')).get('stage-2')).toBeGreaterThanOrEqual(1);
    expect((await sent('stage-2')).size).toBe(0);
    expect((await received('stage-2')).get('stage-1')).toBeGreaterThanOrEqual(1);
  });

  const isReady = async (): Promise<boolean> => (await fetch(`${system.url}/ready`)).ok;

  const nothingIsLeft = () =>
    eventually('no sequence left behind', async () => {
      const { stages } = await system.topology();
      return stages.every(({ replicas }) => replicas.every(({ sequences }) => sequences === 0));
    });

  it('so the death of one fails what runs, with its code, and its return heals the mesh', async () => {
    const before = await greedyTokens(system.url, PROMPT, 8);
    const running = post(`${system.url}/v1/completions`, {
      prompt: PROMPT,
      max_tokens: 4_000,
      ignore_eos: true,
    });
    await eventually('a running sequence', async () => {
      const { stages } = await system.topology();
      return stages[2]!.replicas[0]?.sequences === 1;
    });
    process.kill(system.members('stage-1')[0]!.sidecarPid!, 'SIGKILL');
    expect(await errorOf(await running)).toMatchObject({
      status: 503,
      code: 'stream_broken',
      type: 'server_error',
    });
    await eventually('the mesh whole again', isReady, 30_000);
    await nothingIsLeft();
    expect(await greedyTokens(system.url, PROMPT, 8)).toEqual(before);
  }, 90_000);

  it('so one that hangs is noticed, named, and refused', async () => {
    const hung = system.members('stage-1')[0]!.sidecarPid!;
    process.kill(hung, 'SIGSTOP');
    try {
      const running = await post(`${system.url}/v1/completions`, { prompt: PROMPT, max_tokens: 4 });
      expect(await errorOf(running)).toMatchObject({ status: 503, code: 'stream_broken' });
      const answer = await fetch(`${system.url}/ready`);
      expect(answer.status).toBe(503);
      expect(await answer.text()).toContain('stage-1');
      const refused = await post(`${system.url}/v1/completions`, { prompt: PROMPT });
      expect(await errorOf(refused)).toMatchObject({ status: 503, code: 'stage_unavailable' });
    } finally {
      process.kill(hung, 'SIGCONT');
    }
    await eventually('the mesh whole again', isReady, 30_000);
    expect(await greedyTokens(system.url, PROMPT, 8)).toHaveLength(8);
  }, 90_000);
});
