import { Secret } from '../../services/lib/config/environment.js';
import { ServingError } from '../../services/lib/errors/serving-error.js';
import { connect } from '../../services/lib/mesh/caller-link.js';
import { DaprMesh } from '../../services/lib/mesh/dapr-mesh.js';
import { openStream, StreamClient } from '../../services/lib/mesh/grpc-stream.js';
import { errorOf, greedyTokens, post, startStream } from '../support/completions.js';
import { eventually } from '../support/eventually.js';
import { SMALL, smallPrompt, startSystem, type TestSystem } from '../support/local-system.js';

const PROMPT = smallPrompt(5);

/** How many streams a sidecar has opened to each app-id. Dapr counts proxied streams at the caller's only. */
async function streamsSent(metricsPort: number): Promise<Record<string, number>> {
  const text = await (await fetch(`http://127.0.0.1:${metricsPort}/metrics`)).text();
  const line =
    /^dapr_runtime_service_invocation_req_sent_total\{.*dst_app_id="([^"]+)",type="streaming"\} (\d+)$/gm;
  return Object.fromEntries([...text.matchAll(line)].map(([, appId, count]) => [appId!, Number(count)]));
}

/** What somebody hears who knows no token and says hello as if it were the gateway. */
async function refusalAt(port: number, metadata: Readonly<Record<string, string>>): Promise<string> {
  const client = new StreamClient(`127.0.0.1:${port}`);
  const plan = { modelDigest: '', precision: 'f32', activations: 'f32', split: [] };
  const stranger = { appId: 'gateway', replica: 'x', host: 'h', pid: 1, plan };
  const nothing = { onMessage: () => undefined, onEnd: () => undefined };
  try {
    await connect(openStream(client, metadata), stranger, nothing);
    return 'welcome';
  } catch (error) {
    return ServingError.from(error).message;
  } finally {
    client.close();
  }
}

describe('every hop passes a sidecar', () => {
  let system: TestSystem;
  beforeAll(async () => {
    const env = {
      LAYERMESH_REROUTE_PATIENCE: '20',
      // So that a stream is still running when something happens to it, though it has run before.
      LAYERMESH_SPECULATION: 'own',
      LAYERMESH_FAULT_STAGE: 'stage-1',
      LAYERMESH_FAULT_STEP_MS: '20',
    };
    system = await startSystem({ model: SMALL, split: [1, 2], precision: 'f32', env });
  }, 120_000);
  afterAll(() => system.stop());

  it("counted in Dapr's own metrics", async () => {
    await greedyTokens(system.url, PROMPT, 4);
    const pairs: string[] = [];
    for (const appId of ['gateway', 'stage-0', 'stage-1', 'stage-2']) {
      const sent = await streamsSent(system.members(appId)[0]!.sidecarMetricsPort);
      pairs.push(...Object.keys(sent).map((target) => [appId, target].toSorted().join(' – ')));
    }
    // Whichever of the two was there first, the other opened the stream.
    expect([...new Set(pairs)].toSorted()).toEqual([
      'gateway – stage-0',
      'gateway – stage-1',
      'gateway – stage-2',
      'stage-0 – stage-1',
      'stage-1 – stage-2',
    ]);
  });

  const isReady = async (): Promise<boolean> => (await fetch(`${system.url}/ready`)).ok;

  const nothingIsLeft = () =>
    eventually('no sequence left behind', async () => {
      const { stages } = await system.topology();
      return stages.every(({ replicas }) => replicas.every(({ sequences }) => sequences === 0));
    });

  it('and none listens to a process without its token', async () => {
    const { ports, sidecarToken } = system.members('stage-1')[0]!;
    const ask = async (path: string, method: string, headers: Record<string, string>): Promise<number> =>
      (await fetch(`http://127.0.0.1:${ports.http}/v1.0/${path}`, { method, headers })).status;
    for (const token of [{}, { 'dapr-api-token': 'guessed' }]) {
      expect(await ask('metadata', 'GET', token)).toBe(401);
      expect(await ask('state/statestore/replicas-stage-1', 'GET', token)).toBe(401);
      expect(await ask('state/statestore', 'POST', token)).toBe(401);
      expect(await ask('shutdown', 'POST', token)).toBe(401);
    }
    expect(await ask('metadata', 'GET', { 'dapr-api-token': sidecarToken })).toBe(200);

    // Past the sidecar; through it; and by the port on which it takes what other sidecars send, where it adds its own token.
    for (const appId of ['stage-1', 'gateway']) {
      const { ports, sidecarToken } = system.members(appId)[0]!;
      const target = { 'dapr-app-id': appId, 'dapr-callee-app-id': appId, 'dapr-stream': 'true' };
      for (const [address, metadata] of [
        [ports.app!, {}],
        [ports.grpc, target],
        [ports.grpc, { ...target, 'dapr-api-token': sidecarToken }],
        [ports.internalGrpc, target],
      ] as const) {
        expect(await refusalAt(address, metadata)).toMatch(/^Unauthorized$|^a token is missing or wrong$/);
      }
    }
    expect(await isReady()).toBe(true);
  });

  it('and keeps documents for all, until their time has passed', async () => {
    const { ports, sidecarToken } = system.members('gateway')[0]!;
    const options = {
      daprGrpcPort: ports.grpc,
      daprHttpPort: ports.http,
      storeName: 'statestore',
      shows: { 'dapr-api-token': new Secret(sidecarToken) },
    };
    const mesh = await DaprMesh.start(options, AbortSignal.timeout(10_000));
    const [documents, passing] = [mesh.documents(60), mesh.documents(1)];
    expect(await documents.read('x')).toBeNull();
    expect(await documents.write('x', { a: 'é' }, null)).toBe(true);
    expect(await documents.write('x', { a: 2 }, null)).toBe(false);
    const { value, etag } = (await documents.read('x'))!;
    expect(value).toEqual({ a: 'é' });
    expect(await documents.write('x', { a: 3 }, etag)).toBe(true);
    expect(await documents.write('x', { a: 4 }, etag)).toBe(false);
    await documents.delete('x');
    await documents.delete('x');
    expect(await documents.read('x')).toBeNull();
    await passing.write('y', 1, null);
    expect(await documents.read('y')).toMatchObject({ value: 1 });
    await eventually('its time has passed', async () => (await documents.read('y')) === null);
    expect(await passing.write('y', 2, null)).toBe(true);
    await mesh.close();
  });

  it('so a stream waits for one that has died, and goes on when the mesh is whole again', async () => {
    const expected = await greedyTokens(system.url, PROMPT, 64);
    const stream = await startStream(system.url, PROMPT, 64);
    await eventually('a running sequence', () => stream.tokens.length > 3);
    process.kill(system.members('stage-1')[0]!.sidecarPid!, 'SIGKILL');
    await eventually('its loss', async () => !(await isReady()));
    await stream.done;
    expect(stream.tokens).toEqual(expected);
    await nothingIsLeft();
  }, 90_000);

  it('and a service that dies, stage or gateway, is started again each time', async () => {
    for (const appId of ['stage-1', 'gateway', 'stage-1']) {
      const { servicePid } = system.members(appId)[0]!;
      const killed = performance.now();
      process.kill(servicePid, 'SIGKILL');
      await eventually('another process', () => system.members(appId)[0]!.servicePid !== servicePid);
      const whole = (): Promise<boolean> => isReady().catch(() => false);
      await eventually('its loss', async () => !(await whole()), 5_000).catch(() => undefined);
      await eventually('the mesh whole again', whole, 60_000);
      console.info(`${appId}: whole again after ${((performance.now() - killed) / 1000).toFixed(1)} s`);
    }
    expect(await greedyTokens(system.url, PROMPT, 8)).toHaveLength(8);
  }, 240_000);

  it('so one that hangs is noticed, named, and refused when that takes too long', async () => {
    const hung = system.members('stage-1')[0]!.sidecarPid!;
    process.kill(hung, 'SIGSTOP');
    try {
      // Its links do not end by themselves: unanswered pings end them, and no other route comes.
      const running = await post(`${system.url}/v1/completions`, { prompt: PROMPT, max_tokens: 4 });
      expect(await errorOf(running)).toMatchObject({ status: 503, code: 'stage_unavailable' });
      const answer = await fetch(`${system.url}/ready`);
      expect(answer.status).toBe(503);
      expect(await answer.text()).toContain('stage-1');
    } finally {
      process.kill(hung, 'SIGCONT');
    }
    await eventually('the mesh whole again', isReady, 30_000);
    expect(await greedyTokens(system.url, PROMPT, 8)).toHaveLength(8);
  }, 90_000);
});
