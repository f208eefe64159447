import { setTimeout as delay } from 'node:timers/promises';
import { Scrape } from '../../scripts/lib/local/metrics-page.js';
import { post, startStream, type RunningStream } from '../support/completions.js';
import { eventually } from '../support/eventually.js';
import {
  SMALL,
  smallPrompt,
  startSystem,
  type TestMember,
  type TestSystem,
} from '../support/local-system.js';

const PROMPT = smallPrompt(5);
/** More than a test waits for. */
const LONG = 3_000;
/** Running sequences are not moved before. */
const SETTLED_MS = 5_500;

/** By its own clock: from when it could be found until its first sequence, seconds; 0 before that. */
async function unusedFor({ serviceHttpPort }: TestMember): Promise<number> {
  const page = await (await fetch(`http://127.0.0.1:${serviceHttpPort}/metrics`)).text();
  return new Scrape(page).total('layermesh_stage_first_sequence_seconds');
}

describe('a replica that comes, over Dapr', () => {
  let system: TestSystem;
  beforeAll(async () => {
    const env = {
      // What is long lasts for a minute.
      LAYERMESH_SPECULATION: 'off',
      LAYERMESH_FAULT_STAGE: 'stage-1',
      LAYERMESH_FAULT_STEP_MS: '20',
    };
    system = await startSystem({ model: SMALL, mesh: 'dapr', split: [1], replicas: { 'stage-0': 2 }, env });
  }, 120_000);
  afterAll(() => system.stop());

  const usedWithin = async (appId: string): Promise<number> => {
    const member = system.members(appId).at(-1)!;
    return eventually('its first sequence', () => unusedFor(member), 20_000);
  };

  it('gets running sequences within two seconds, and where all goes well within one, from stages that have two callers and from those with one', async () => {
    const client = new AbortController();
    const streams: RunningStream[] = await Promise.all(
      Array.from({ length: 6 }, () => startStream(system.url, PROMPT, LONG, client.signal)),
    );
    const waits: number[] = [];
    for (const appId of ['stage-1', 'stage-0']) {
      await delay(SETTLED_MS);
      await system.scale(appId, system.members(appId).length + 1);
      waits.push(await usedWithin(appId));
    }
    client.abort();
    await Promise.allSettled(streams.map(({ done }) => done));
    console.info(`in use after ${waits.map((seconds) => seconds.toFixed(3)).join(', ')} s`);
    // Most of it its own sidecar takes until it lets streams out, which is longer where processors are wanted elsewhere.
    expect(Math.min(...waits)).toBeLessThan(1);
    expect(Math.max(...waits)).toBeLessThan(2);
  }, 120_000);

  it('gets new requests as they come, and goes without a failed one, twice', async () => {
    const waits: number[] = [];
    const stop = new AbortController();
    const failures: string[] = [];
    const client = async (): Promise<void> => {
      while (!stop.signal.aborted) {
        const answer = await post(`${system.url}/v1/completions`, { prompt: PROMPT, max_tokens: 12 });
        const text = await answer.text();
        if (!answer.ok) failures.push(`${answer.status} ${text}`);
      }
    };
    const clients = Array.from({ length: 4 }, client);
    const before = system.members('stage-1').length;
    for (let turn = 0; turn < 2; turn++) {
      await system.scale('stage-1', before + 1);
      waits.push(await usedWithin('stage-1'));
      await system.scale('stage-1', before);
    }
    stop.abort();
    await Promise.all(clients);
    console.info(`in use after ${waits.map((seconds) => seconds.toFixed(3)).join(', ')} s`);
    expect(failures).toEqual([]);
  }, 240_000);
});
