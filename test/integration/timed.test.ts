import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { Scrape } from '../../scripts/lib/local/metrics-page.js';
import { startStream, type RunningStream } from '../support/completions.js';
import { eventually } from '../support/eventually.js';
import { startSystem, type TestSystem } from '../support/local-system.js';

const LABEL = 'timed (a100-40g, cost model 1)';
const STAGES = 3;
/** 16 sequences, and as many tokens of each; more than a kill and what it costs. */
const PROMPTS = Array.from({ length: 16 }, (_, sequence) =>
  Array.from({ length: 20 + 9 * sequence }, (_, at) => 300 + ((sequence * 31 + at * 17) % 30_000)),
);
const COUNT = 96;

/** SCHED_FIFO, of the policies in proc_pid_stat(5). */
const FIFO = '1';

/** Of each thread of a process. */
function policies(pid: number): string[] {
  const folder = `/proc/${pid}/task`;
  return readdirSync(folder).map((thread) => {
    // The 41st field, counted from behind the name in brackets, which may hold anything.
    const fields = readFileSync(`${folder}/${thread}/stat`, 'utf8').split(') ').at(-1)!.split(' ');
    return fields[41 - 3]!;
  });
}

describe('a system of timed stages', () => {
  let system: TestSystem;
  beforeAll(async () => {
    const replicas = Object.fromEntries(Array.from({ length: STAGES }, (_, stage) => [`stage-${stage}`, 2]));
    const timed = { device: 'a100-40g', shape: 'llama-2-13b' };
    system = await startSystem({ mesh: 'direct', timed, stages: STAGES, replicas });
  }, 120_000);
  afterAll(() => system.stop());

  it('says everywhere what its times are of', async () => {
    const { engine, precision, stages } = await system.topology();
    expect([engine, precision]).toEqual([LABEL, 'f16']);
    // (0.9 · 42.9 GB - 2 GB - 9 GB - …) / 286,720 bytes, less what is for the prefix cache.
    for (const { replicas } of stages)
      for (const { kv_capacity } of replicas) expect(kv_capacity).toBeGreaterThan(70_000);
    const models = await fetch(`${system.url}/v1/models`);
    expect(models.headers.get('x-layermesh-engine')).toBe(LABEL);
    expect(await models.json()).toMatchObject({ data: [{ id: 'llama-2-13b', engine: LABEL }] });
    const ports = system.members('stage-1').map(({ serviceHttpPort }) => serviceHttpPort);
    for (const url of [system.url, ...ports.map((port) => `http://127.0.0.1:${port}`)]) {
      const page = new Scrape(await (await fetch(`${url}/metrics`)).text());
      expect(page.total('layermesh_engine_info', `engine="${LABEL}"`)).toBe(1);
    }
  });

  it('answers a chat in words, until it has said as much as it may', async () => {
    const response = await fetch(`${system.url}/v1/chat/completions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ messages: [{ role: 'user', content: 'Why is the sky blue?' }], max_tokens: 9 }),
    });
    expect(await response.json()).toMatchObject({
      choices: [
        { finish_reason: 'length', message: { content: expect.stringMatching(/^[a-z ]+$/) as string } },
      ],
      usage: { completion_tokens: 9 },
    });
  });

  it('has one thread in each stage that shares its time with nobody, where that is allowed', () => {
    const isAllowed = spawnSync('chrt', ['-f', '1', 'true']).status === 0;
    for (let stage = 0; stage < STAGES; stage++)
      for (const { servicePid } of system.members(`stage-${stage}`))
        expect(policies(servicePid).filter((policy) => policy === FIFO)).toHaveLength(isAllowed ? 1 : 0);
    expect(policies(system.members('gateway')[0]!.servicePid)).not.toContain(FIFO);
  });

  it('takes as long for a token as its stages do by the cost model', async () => {
    const seconds = async (count: number): Promise<number> => {
      const began = performance.now();
      await startStream(system.url, PROMPTS[0]!, count).then(({ done }) => done);
      return (performance.now() - began) / 1000;
    };
    const perToken = ((await seconds(50)) - (await seconds(10))) / 40;
    // 40 layers with 0.44 ms a layer and row; the hops come on top.
    expect(perToken).toBeGreaterThan(0.017);
  });

  it('says the same tokens when replicas are killed under its sequences', async () => {
    const begin = (): Promise<RunningStream[]> =>
      Promise.all(PROMPTS.map((prompt) => startStream(system.url, prompt, COUNT)));
    const told = async (streams: readonly RunningStream[]): Promise<number[][]> => {
      await Promise.all(streams.map(({ done }) => done));
      return streams.map(({ tokens }) => [...tokens]);
    };
    const undisturbed = await told(await begin());
    const streams = await begin();
    for (let stage = 0; stage < STAGES; stage++) {
      const wanted = 10 * (stage + 1);
      await eventually(
        `${wanted} tokens of each`,
        () => streams.every(({ tokens }) => tokens.length >= wanted),
        60_000,
      );
      process.kill(system.members(`stage-${stage}`)[0]!.servicePid, 'SIGKILL');
    }
    expect(await told(streams)).toEqual(undisturbed);
    const page = new Scrape(await (await fetch(`${system.url}/metrics`)).text());
    expect(page.total('layermesh_reroutes_total')).toBeGreaterThan(0);
  }, 180_000);
});
