import { readFile } from 'node:fs/promises';
import { Scrape } from '../../scripts/lib/bench/measure/prometheus.js';
import { startStream, type RunningStream } from '../support/completions.js';
import { eventually } from '../support/eventually.js';
import { startSystem, type TestMember, type TestSystem } from '../support/local-system.js';

const prompts = (JSON.parse(await readFile('test/fixtures/parity.json', 'utf8')) as { prompt: number[] }[])
  .slice(0, 4)
  .map(({ prompt }) => prompt);

/** Tokens of each stream, and when something happens to them. */
const COUNT = 120;
const EARLY = 10;

describe('streams over three stages with two replicas each', () => {
  let system: TestSystem;
  /** What comes undisturbed. */
  let expected: number[][];

  beforeAll(async () => {
    const replicas = { 'stage-0': 2, 'stage-1': 2, 'stage-2': 2 };
    system = await startSystem({ mesh: 'dapr', split: [10, 20], precision: 'f32', replicas });
    const streams = await begin(COUNT);
    await Promise.all(streams.map(({ done }) => done));
    expected = streams.map(({ tokens }) => [...tokens]);
  }, 180_000);
  afterAll(() => system.stop());

  const begin = (count: number, signal?: AbortSignal): Promise<RunningStream[]> =>
    Promise.all(prompts.map((prompt) => startStream(system.url, prompt, count, signal)));
  const haveCome = (streams: readonly RunningStream[], count: number): Promise<unknown> =>
    eventually(`${count} tokens each`, () => streams.every(({ tokens }) => tokens.length >= count), 30_000);
  const complete = async (streams: readonly RunningStream[]): Promise<void> => {
    await Promise.all(streams.map(({ done }) => done));
    expect(streams.map(({ tokens }) => tokens.slice(0, COUNT))).toEqual(expected);
  };
  /** The process that the first of the streams runs on in a stage. */
  const inUse = async ([stream]: readonly RunningStream[], stage: number): Promise<TestMember> => {
    const { stages } = await system.topology();
    const id = stream!.route.split('>')[stage]!.split('/')[1];
    const { pid } = stages[stage]!.replicas.find((replica) => replica.id === id)!;
    return system.members(`stage-${stage}`).find(({ servicePid }) => servicePid === pid)!;
  };
  const pidsOf = (pids: readonly number[]): string => pids.toSorted((a, b) => a - b).join();
  /** Every process that runs can be reached, and no other is listed. */
  const allBack = (): Promise<unknown> =>
    eventually(
      'all replicas',
      async () => {
        const { stages } = await system.topology();
        return stages.every(
          ({ app_id, replicas }) =>
            pidsOf(replicas.map(({ pid }) => pid)) ===
            pidsOf(system.members(app_id).map(({ servicePid }) => servicePid)),
        );
      },
      20_000,
    );
  const rerouted = async (reason: string): Promise<number> => {
    const page = await fetch(`${system.url}/metrics`);
    return new Scrape(await page.text()).total('layermesh_reroutes_total', `reason="${reason}"`);
  };

  it.each([
    ['a service of stage-0', 0, 'servicePid'],
    ['a service of stage-1', 1, 'servicePid'],
    ['a service of the head', 2, 'servicePid'],
    ['a sidecar', 1, 'sidecarPid'],
  ] as const)(
    'go on when %s is killed',
    async (_, stage, process_) => {
      await allBack();
      const before = await rerouted('replica_lost');
      const streams = await begin(COUNT);
      await haveCome(streams, EARLY);
      process.kill((await inUse(streams, stage))[process_]!, 'SIGKILL');
      await complete(streams);
      expect(await rerouted('replica_lost')).toBeGreaterThan(before);
    },
    90_000,
  );

  it('are handed over when their replica is scaled away, long before they end', async () => {
    await allBack();
    const streams = await begin(COUNT);
    await haveCome(streams, 1);
    await system.scale('stage-1', 1);
    expect(Math.min(...streams.map(({ tokens }) => tokens.length))).toBeLessThan(COUNT);
    await complete(streams);
    expect(await rerouted('draining')).toBeGreaterThan(0);
  }, 90_000);

  it('wait for the only replica of a stage to come back', async () => {
    await allBack();
    const streams = await begin(COUNT);
    await haveCome(streams, EARLY);
    process.kill(system.members('stage-1')[0]!.servicePid, 'SIGKILL');
    await complete(streams);
  }, 90_000);

  it('move to a replica that comes up', async () => {
    await allBack();
    const client = new AbortController();
    const streams = await begin(2_000, client.signal);
    await system.scale('stage-1', 2);
    await eventually('a move', async () => (await rerouted('rebalanced')) > 0, 30_000);
    const at = streams.map(({ tokens }) => tokens.length);
    await eventually('more tokens', () => streams.every(({ tokens }, index) => tokens.length > at[index]!));
    await haveCome(streams, COUNT);
    expect(streams.map(({ tokens }) => tokens.slice(0, COUNT))).toEqual(expected);
    const { stages } = await system.topology();
    expect(stages[1]!.replicas).toHaveLength(2);
    client.abort();
    await Promise.allSettled(streams.map(({ done }) => done));
  }, 90_000);
});
