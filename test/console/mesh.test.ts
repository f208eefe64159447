import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Browser } from 'playwright-core';
import type { Timings } from '../../services/gateway/telemetry/timings.js';
import { repositoryRoot } from '../../scripts/lib/repository.js';
import { eventually } from '../support/eventually.js';
import {
  DESKTOP,
  findingsOf,
  isCutOff,
  openBrowser,
  openPage,
  PHONE,
  say,
  shoot,
  type Opened,
} from './browser.js';
import { startSystem, type TestSystem } from '../support/local-system.js';
import { temporaryFolder } from '../support/temporary-folder.js';

/** How soon the page must show what happens in the mesh, ms. */
const SOON_MS = 3_000;

/** As `npm run experiment` writes it; here is to be seen only how it is drawn. */
const A_MAP = Object.fromEntries(
  ['l4', 'a100-40g', 'a100-80g'].map((device, size) => [
    device,
    [256, 1072, 2272].flatMap((prompt) =>
      ['whole', 'split-2', 'split-4'].flatMap((arm) =>
        [0.1, 0.5, 3, 10].map((hopMs) => ({
          shape: 'llama-2-13b',
          device,
          arm,
          prompt,
          hopMs,
          hopName: { 0.1: 'direct', 0.5: 'Dapr' }[hopMs] ?? '',
          kneePerDevice: size === 0 && arm === 'split-2' ? 0 : 1,
          ratioToWhole: size === 0 ? null : 1.9 - size / 3 - hopMs / 20 + prompt / 9_000,
          scale: 1,
        })),
      ),
    ),
  ]),
);

const results = temporaryFolder();
let system: TestSystem;
let browser: Browser;
let opened: Opened;
beforeAll(async () => {
  await writeFile(join(results.path, 'map.json'), JSON.stringify(A_MAP));
  const env = { LAYERMESH_RESULTS: `${results.path},${join(repositoryRoot, 'docs', 'observability')}` };
  [system, browser] = await Promise.all([startSystem({ env }), openBrowser()]);
});
afterAll(() => Promise.all([browser.close(), system.stop()]));

beforeEach(async () => {
  opened = await openPage(browser, system.url);
});
afterEach(async () => {
  expect(opened.problems).toEqual([]);
  await opened.context.close();
});

const sequences = async (): Promise<number[]> =>
  (await system.topology()).stages.flatMap(({ replicas }) => replicas.map((replica) => replica.sequences));

describe('a chat', () => {
  it('streams: there is text before the end, and figures after it', async () => {
    const { page } = opened;
    await say(page, 'Write a long story about a lighthouse.');
    const text = page.locator('.answer .prose');
    await eventually('text has come', async () => ((await text.textContent()) ?? '').length > 20, 30_000);
    expect(await page.getByRole('button', { name: 'Stop' }).isVisible()).toBe(true);
  });

  it('stopped, frees the sequence in every stage, and keeps what has come', async () => {
    const { page } = opened;
    await say(page, 'Write a very long story about a lighthouse.');
    await eventually(
      'it runs everywhere',
      async () => (await sequences()).every((count) => count > 0),
      30_000,
    );
    await page.getByRole('button', { name: 'Stop' }).click();
    await eventually('it is freed everywhere', async () => (await sequences()).every((count) => count === 0));
    await page.getByText('stopped by you').waitFor();
    await page.reload();
    await page.getByText('stopped by you').waitFor();
  });

  it('can be had by keyboard alone', async () => {
    const { page } = opened;
    await page.keyboard.press('Tab');
    expect(await page.evaluate(() => document.activeElement?.textContent)).toBe('Skip to the content');
    await page.getByLabel('Your message').focus();
    await page.keyboard.type('Say hello.');
    await page.keyboard.press('Enter');
    await page.getByRole('button', { name: 'Stop' }).waitFor();
    await page.getByLabel('Your message').focus();
    await page.keyboard.press('Escape');
    await page.locator('.receipt').waitFor();
  });
});

describe('the mesh', () => {
  it('shows a replica that comes, one that is killed, and why sequences moved', async () => {
    const { page } = opened;
    await page.goto(`${system.url}/#/mesh`);
    const replicas = page.locator('[data-stage=stage-1] .replica:not(.gone)');
    await replicas.first().waitFor();
    await system.scale('stage-1', 2);
    await eventually('the second one is shown', async () => (await replicas.count()) === 2, SOON_MS);
    const [victim] = system.members('stage-1');
    process.kill(victim!.servicePid, 'SIGKILL');
    await page.locator('[data-stage=stage-1] .replica.gone').waitFor({ timeout: SOON_MS });
    await page.locator('.happenings .replica_gone').first().waitFor({ timeout: SOON_MS });
    await eventually('it is back', async () => (await replicas.count()) === 2, 60_000);
    await system.scale('stage-1', 1);
    await eventually('it has drained', async () => (await replicas.count()) === 1, SOON_MS);
  });
});

/** Answers what a client is told of where its time went. */
async function askTimed(id: string, content: string): Promise<Timings> {
  const response = await fetch(`${system.url}/v1/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'x-request-id': id, 'x-layermesh-timing': 'true' },
    body: JSON.stringify({ messages: [{ role: 'user', content }], max_tokens: 24 }),
  });
  return ((await response.json()) as { timings: Timings }).timings;
}

test("a request's waterfall has the parts that its client was told", async () => {
  const { page } = opened;
  const timings = await askTimed('waterfall-1', 'Hello');
  await page.goto(`${system.url}/#/requests/waterfall-1`);
  const parts = page.getByTestId('parts');
  await parts.waitFor();
  const [sum, total] = await parts.evaluate((list) => [
    Number(list.dataset['sum']),
    Number(list.dataset['total']),
  ]);
  expect(total).toBe(timings.total_ms);
  expect(Math.abs(sum / total - 1)).toBeLessThan(0.05);
  const shown = await parts
    .locator('li')
    .evaluateAll((all) => all.map(({ dataset }) => [dataset['part'], Number(dataset['ms'])] as const));
  expect(Object.fromEntries(shown)).toMatchObject({
    hops: timings.hops.prefill_ms + timings.hops.decode_ms,
    'gateway and client': timings.gateway_ms,
    ...Object.fromEntries(
      timings.stages.map(({ stage, prefill, decode }) => [
        `${stage} computing`,
        prefill.compute_ms + decode.compute_ms,
      ]),
    ),
  });
  for (const { stage } of timings.stages) {
    const drawn = await page.locator(`.lane[data-lane=${stage}] i.compute`).count();
    expect(drawn).toBe(timings.decode_rounds + 1);
  }
  expect(await page.locator('tr.round').count()).toBe(timings.decode_rounds + 1);
});

test('a prompt in chunks has each of them in the lane of each stage', async () => {
  const { page } = opened;
  await askTimed('waterfall-2', 'Tell me again what a lighthouse is for, and who lives there. '.repeat(24));
  await page.goto(`${system.url}/#/requests/waterfall-2`);
  await page.locator('.lane i').first().waitFor();
  const chunks = await Promise.all(
    [0, 1, 2].map((stage) =>
      page.locator(`.lane[data-lane=stage-${stage}] i.compute[title*="chunk"]`).count(),
    ),
  );
  expect(chunks[0]).toBeGreaterThan(3);
  expect(chunks).toEqual([chunks[0], chunks[0], chunks[0]]);
  await page.getByText(/rounds?, in figures/).click();
  expect(await page.locator('tr.chunk').count()).toBe(chunks[0]! - 1);
  await shoot(page, 'desktop-light-request-chunks');
  expect(await findingsOf(page)).toEqual([]);
});

/** Clients that keep the mesh busy until the signal is aborted. */
async function keepBusy(clients: number, signal: AbortSignal): Promise<void> {
  const client = async (number: number): Promise<void> => {
    while (!signal.aborted) {
      await fetch(`${system.url}/v1/completions`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ prompt: `Client ${number} tells a story.`, max_tokens: 48, ignore_eos: true }),
        signal,
      })
        .then((answer) => answer.text())
        .catch(() => undefined);
    }
  };
  await Promise.all(Array.from({ length: clients }, (_, number) => client(number)));
}

describe.each([
  ['desktop', DESKTOP],
  ['phone', PHONE],
] as const)('on a %s', (device, viewport) => {
  it.each([false, true])(
    'every view is whole and has no serious finding, dark: %s',
    async (dark) => {
      const at = `${device}-${dark ? 'dark' : 'light'}`;
      const { page, context, problems } = await openPage(browser, system.url, { viewport, dark });
      const look = async (name: string): Promise<void> => {
        await shoot(page, `${at}-${name}`);
        expect({ name, findings: await findingsOf(page) }).toEqual({ name, findings: [] });
        expect({ name, cut: await isCutOff(page) }).toEqual({ name, cut: [] });
      };
      await page.locator('.standing.live').waitFor();
      await look('chat-empty');
      await page.goto(`${system.url}/#/mesh`);
      await page.locator('.replica').first().waitFor();
      await look('mesh-idle');

      const over = new AbortController();
      const busy = keepBusy(6, over.signal);
      try {
        await page.goto(`${system.url}/#/chat`);
        await say(page, 'Explain **pipelines** in three short points, with `code`.');
        await page.getByRole('button', { name: 'Settings' }).click();
        await page.locator('.settings').waitFor();
        await look('chat-settings');
        await page.getByRole('button', { name: 'Close settings' }).click();
        await page.locator('.receipt').waitFor({ timeout: 120_000 });
        await look('chat-answered');
        await page.goto(`${system.url}/#/mesh`);
        await page.locator('.card.bottleneck').waitFor({ timeout: 30_000 });
        await look('mesh-load');
        await page.goto(`${system.url}/#/load`);
        await page.locator('.chart canvas').first().waitFor({ timeout: 30_000 });
        await look('load');
        await page.locator('.map td.more').first().waitFor();
        await page.locator('#results').scrollIntoViewIfNeeded();
        await page.locator('.map').scrollIntoViewIfNeeded();
        await look('load-map');
        const results = page.getByLabel('Results beside this gateway');
        await results.selectOption('observability/trace.json');
        await page.locator('.trace li').first().waitFor();
        await page.locator('.trace').scrollIntoViewIfNeeded();
        await look('load-trace');
        await page.goto(`${system.url}/#/requests`);
        await page.locator('.requests tbody tr.done').first().waitFor();
        await look('requests');
        await page.locator('.requests tbody tr.done a').first().click();
        await page.locator('.lane i').first().waitFor();
        await look('request-open');
      } finally {
        over.abort();
        await busy;
      }
      expect(problems).toEqual([]);
      await context.close();
    },
    300_000,
  );
});
