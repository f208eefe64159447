import { Scrape } from '../../scripts/lib/local/metrics-page.js';
import { greedyTokens, post } from '../support/completions.js';
import { SMALL, SMALL_MODEL, smallPrompt, startSystem, type TestSystem } from '../support/local-system.js';

const scrape = async (url: string): Promise<Scrape> =>
  new Scrape(await (await fetch(`${url}/metrics`)).text());

/** Rows that came into stage 1 so far, which takes f32 activations. */
async function rowsComputed(system: TestSystem): Promise<number> {
  const { serviceHttpPort } = system.members('stage-1')[0]!;
  const page = await scrape(`http://127.0.0.1:${serviceHttpPort}`);
  return page.total('layermesh_stage_link_bytes_total', 'direction="in"') / (SMALL_MODEL.hidden * 4);
}

describe('more than fits at once', () => {
  let system: TestSystem;
  afterEach(() => system.stop());

  it('a prompt that takes five times as long as a step may is computed once, and answered', async () => {
    const [STEP_TIMEOUT, ROWS] = [2, 2_400];
    system = await startSystem({
      model: SMALL,
      stages: 2,
      mesh: 'direct',
      env: {
        LAYERMESH_STEP_TIMEOUT: String(STEP_TIMEOUT),
        LAYERMESH_SPECULATION: 'off',
        LAYERMESH_FAULT_STAGE: 'stage-1',
        LAYERMESH_FAULT_STEP_MS: '400',
      },
    });
    const before = await rowsComputed(system);
    const started = performance.now();
    const body = { prompt: smallPrompt(ROWS), max_tokens: 2, temperature: 0, ignore_eos: true };
    const response = await post(`${system.url}/v1/completions`, body);
    expect(response.status).toBe(200);
    expect((performance.now() - started) / 1_000).toBeGreaterThan(5 * STEP_TIMEOUT);
    expect((await rowsComputed(system)) - before).toBe(ROWS + 1);
    expect((await scrape(system.url)).total('layermesh_reroutes_total')).toBe(0);
  }, 120_000);

  it('sequences that outgrow the KV room together give way in turn, and are all answered as if alone', async () => {
    const ask = (client: number) => greedyTokens(system.url, smallPrompt(20, client), 300);
    // Both find room to begin with, and not to end.
    system = await startSystem({
      model: SMALL,
      stages: 2,
      precision: 'f32',
      mesh: 'direct',
      kvTokens: 560,
      // Slow enough that the one still runs when the other begins, however busy the machine is.
      env: {
        LAYERMESH_SPECULATION: 'off',
        LAYERMESH_FAULT_STAGE: 'stage-1',
        LAYERMESH_FAULT_STEP_MS: '5',
      },
    });
    const clients = [0, 1];
    const expected = [];
    for (const client of clients) expected.push(await ask(client));
    expect(await Promise.all(clients.map(ask))).toEqual(expected);
    const page = await scrape(system.url);
    expect(page.total('layermesh_request_failure_total')).toBe(0);
    expect(page.total('layermesh_reroutes_total', 'reason="preempted"')).toBeGreaterThan(0);
    for (const { servicePid, serviceHttpPort } of [0, 1].flatMap((stage) =>
      system.members(`stage-${stage}`),
    )) {
      const stage = await scrape(`http://127.0.0.1:${serviceHttpPort}`);
      expect([servicePid, stage.total('layermesh_stage_sequences')]).toEqual([servicePid, 0]);
      expect(stage.total('layermesh_stage_kv_used_ratio')).toBe(0);
    }
  }, 120_000);
});
