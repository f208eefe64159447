import { setTimeout as delay } from 'node:timers/promises';
import { readProcess } from '../../scripts/lib/measure/figures/usage.js';
import { greedyTokens } from '../support/completions.js';
import { SMALL, smallPrompt, startSystem, type TestSystem } from '../support/local-system.js';

const PAGES = 50;
const SECONDS = 5;
/** Of one processor. */
const MOST = 0.02;

let system: TestSystem;
beforeAll(async () => {
  system = await startSystem({ model: SMALL, mesh: 'direct' });
});
afterAll(() => system.stop());

/** Share of a processor that the gateway takes for so many pages, with enough going on to be told. */
async function shareOf(pages: number): Promise<number> {
  const over = new AbortController();
  const { signal } = over;
  const streams = Array.from({ length: pages }, async () => {
    const response = await fetch(`${system.url}/topology/events`, { signal });
    await response.text().catch(() => undefined);
  });
  await greedyTokens(system.url, smallPrompt(8, pages), 4);
  await delay(1_000);
  const { servicePid } = system.members('gateway')[0]!;
  const [began, before] = [performance.now(), readProcess(servicePid)!.cpuSeconds];
  await delay(SECONDS * 1_000);
  const share = (readProcess(servicePid)!.cpuSeconds - before) / ((performance.now() - began) / 1_000);
  over.abort();
  await Promise.all(streams.map((stream) => stream.catch(() => undefined)));
  return share;
}

test('fifty open pages cost the gateway next to nothing', async () => {
  const none = await shareOf(0);
  const many = await shareOf(PAGES);
  console.log(`${PAGES} pages: ${((many - none) * 100).toFixed(2)} % of a processor`);
  expect(many - none).toBeLessThan(MOST);
}, 60_000);
