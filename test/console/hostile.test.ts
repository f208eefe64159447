import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import express from 'express';
import type { Browser } from 'playwright-core';
import { consolePage } from '../../services/gateway/http/routes/console.js';
import { ensureCompiled } from '../../scripts/bootstrap/compile.mjs';
import { repositoryRoot } from '../../scripts/lib/repository.js';
import { openBrowser, openPage } from './browser.js';

/** What would run, were it ever taken for markup. */
const EVIL = '<img src=x onerror="window.hit=1"><script>window.hit=1</script>"\'><svg onload=window.hit=1>';

const replica = {
  id: `r${EVIL}`,
  host: EVIL,
  pid: 1,
  state: 'ready',
  sequences: 1,
  kv_used: 1,
  kv_capacity: 64,
  busy_ratio: 0.5,
  rss_bytes: 1 << 20,
};
const stateOf = (at: number): object => ({
  at,
  gateway: EVIL,
  model: EVIL,
  precision: 'int8',
  split: [],
  running: 0,
  waiting: 0,
  stages: [{ app_id: 'stage-0', start: 0, end: 3, head: true, replicas: [replica], links: [] }],
});

const event = (name: string, data: object, id = ''): string =>
  `${id === '' ? '' : `id: ${id}\n`}event: ${name}\ndata: ${JSON.stringify(data)}\n\n`;

/** Serves the real page, and answers of our own for all that it asks. */
let server: Server;
let url: string;
let browser: Browser;
let wanted: { readonly operate: string; readonly use: string } | null = null;
let stream: ServerResponse | null = null;
/** What the page says it heard last, when it comes. */
const heard: (string | undefined)[] = [];
const summary = {
  id: `q${EVIL}`,
  trace_id: null,
  at: Date.now(),
  state: 'failed',
  error: EVIL,
  operation: 'chat',
  model: EVIL,
  stream: true,
  choices: 1,
  temperature: 1,
  max_tokens: null,
  prompt_tokens: 1,
  cached_tokens: 0,
  output_tokens: 0,
  finish_reasons: [EVIL],
  ttft_ms: null,
  total_ms: 5,
  reroutes: 0,
};

const OUTPUT = [
  `# ${EVIL}`,
  EVIL,
  `[a link](javascript:window.hit=1) [data](data:text/html,${encodeURIComponent('<script>window.hit=1</script>')})`,
  '![pixel](https://evil.example/pixel.png) [web](https://example.org/?a=1&b="2)',
  `\`${EVIL}\``,
  '```html\n' + EVIL + '\n```',
  `| ${EVIL} |\n| --- |\n| ${EVIL} |`,
].join('\n\n');

beforeAll(async () => {
  await ensureCompiled(repositoryRoot);
  const app = express();
  app.use(consolePage(join(repositoryRoot, 'dist', 'services', 'console'))!);
  app.use((request, response, next) => {
    if (wanted === null) {
      next();
      return;
    }
    const right = request.path.startsWith('/v1') ? wanted.use : wanted.operate;
    if (request.get('authorization') === `Bearer ${right}`) {
      next();
      return;
    }
    response
      .status(401)
      .json({ error: { message: EVIL, type: 'authentication_error', param: null, code: 'invalid_api_key' } });
  });
  app.get('/topology/events', (request, response) => {
    heard.push(request.get('last-event-id'));
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    const change = { kind: 'replica_up', stage: 'stage-0', replica: EVIL, at: Date.now() };
    response.write(event('reset', {}) + event('change', change, 'e-1') + event('state', stateOf(Date.now())));
    stream = response;
  });
  app.get('/load', (_request, response) => void response.json({ step_s: 5, points: [] }));
  app.get('/requests', (_request, response) => void response.json({ trace_url: null, requests: [summary] }));
  app.get(
    '/requests/:id',
    (_request, response) =>
      void response.json({
        ...summary,
        prompt: EVIL,
        timings: {
          total_ms: 5,
          tokenize_ms: 5,
          queue_ms: 0,
          route_ms: 0,
          prefill_ms: 0,
          decode_ms: 0,
          gateway_ms: 0,
          reroute_ms: 0,
          decode_rounds: 0,
          stages: [],
          hops: { prefill_ms: 0, decode_ms: 0 },
        },
        sequences: [
          {
            routes: [{ start_ms: 0, hops: [{ appId: EVIL, replica: EVIL }], reason: EVIL }],
            rounds: [],
            skipped_rounds: 0,
          },
        ],
      }),
  );
  app.get('/v1/models', (_request, response) => void response.json({ data: [{ id: EVIL }] }));
  app.post('/v1/chat/completions', express.json(), (request, response) => {
    const { messages } = request.body as { messages: { content: string }[] };
    if (messages.at(-1)!.content === 'fail') {
      response.status(503).json({ error: { message: EVIL, type: 'server_error', param: null, code: EVIL } });
      return;
    }
    response.writeHead(200, { 'content-type': 'text/event-stream', 'x-layermesh-route': 'stage-0/<b>' });
    for (const [index, content] of Array.from(OUTPUT).entries()) {
      response.write(
        `data: ${JSON.stringify({ choices: [{ index: 0, delta: { content }, token_ids: [index, index] }] })}\n\n`,
      );
    }
    response.end(
      `data: ${JSON.stringify({ choices: [{ index: 0, delta: {}, finish_reason: 'stop' }] })}\n\ndata: [DONE]\n\n`,
    );
  });
  server = createServer(app).listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  browser = await openBrowser();
});
afterAll(async () => {
  await browser.close();
  server.closeAllConnections();
  server.close();
});

test('markup in whatever the gateway or the model says is text, in every view', async () => {
  const { page, context, problems, asked } = await openPage(browser, url);
  const hit = (): Promise<unknown> => page.evaluate(() => (window as { hit?: number }).hit);
  await page.getByLabel('Your message').fill(EVIL);
  await page.keyboard.press('Enter');
  await page.locator('.receipt').waitFor();
  const links = await page
    .locator('.answer .prose a')
    .evaluateAll((all) => all.map((each) => each.getAttribute('href')));
  expect(links.every((href) => href?.startsWith('https://'))).toBe(true);
  expect(links).toHaveLength(2);
  expect(await page.locator('.answer .prose img, .answer .prose script, .answer .prose svg').count()).toBe(0);
  expect(await page.locator('.answer .prose').textContent()).toContain('<img src=x onerror="window.hit=1">');
  await page.getByRole('button', { name: 'Settings' }).click();
  await page.getByLabel('Show what was guessed right').check();
  await page.locator('mark').first().waitFor();
  await page.getByLabel('Your message').fill('fail');
  await page.keyboard.press('Enter');
  await page.locator('.failure').waitFor();
  for (const place of [
    'mesh',
    'requests',
    `requests/${encodeURIComponent(summary.id)}`,
    'load',
    `requests/${EVIL}`,
  ]) {
    await page.goto(`${url}/#/${place}`);
    await page.locator('.page h2').waitFor();
    await page.locator('.page .notice, .page table, .page .parts').first().waitFor();
  }
  expect(await hit()).toBeUndefined();
  expect(asked.filter((each) => !each.startsWith(url))).toEqual([]);
  // The one that was refused is told by the browser itself.
  expect(problems.filter((each) => !each.includes('503'))).toEqual([]);
  await context.close();
});

test('asks for each key when it is wanted, shows it to the right routes, and keeps it nowhere', async () => {
  wanted = { operate: 'op-key', use: 'user-key' };
  try {
    const { page, context } = await openPage(browser, url);
    const dialog = page.getByRole('dialog');
    await dialog.getByText("An operator's key").waitFor();
    await dialog.getByLabel('Key').fill('op-key');
    await dialog.getByRole('button', { name: 'Use it' }).click();
    await page.locator('.standing.live').waitFor();
    await page.getByLabel('Your message').fill('hello');
    await page.keyboard.press('Enter');
    await dialog.getByText('This gateway wants an API key').waitFor();
    await dialog.getByLabel('Key').fill('user-key');
    await dialog.getByRole('button', { name: 'Use it' }).click();
    await page.getByRole('button', { name: 'Retry' }).click();
    await page.locator('.receipt .figures').waitFor();
    const kept = await page.evaluate(() =>
      JSON.stringify([Object.entries(localStorage), sessionStorage.length, document.cookie]),
    );
    expect(kept).not.toMatch(/op-key|user-key/);
    await page.reload();
    await dialog.waitFor();
    await context.close();
  } finally {
    wanted = null;
  }
});

test('says when the gateway is lost, comes back, and tells what it heard last', async () => {
  const { page, context } = await openPage(browser, `${url}/#/mesh`);
  await page.locator('.standing.live').waitFor();
  heard.length = 0;
  stream!.destroy();
  await page.locator('.standing.lost').waitFor();
  await page.locator('.standing.live').waitFor();
  expect(heard).toEqual(['e-1']);
  await context.close();
});

test('an hour of ten events a second leaves the heap as it was', async () => {
  const { page, context } = await openPage(browser, `${url}/#/mesh`);
  await page.locator('.replica').first().waitFor();
  const cdp = await context.newCDPSession(page);
  let id = 1;
  const hour = 36_000;
  const send = async (events: number): Promise<number> => {
    for (let sent = 0; sent < events; sent += 500) {
      const at = Date.now();
      const batch = Array.from({ length: 500 }, (_, index) =>
        index % 10 === 0
          ? event('state', stateOf(at))
          : event(
              'change',
              { kind: index % 2 ? 'replica_up' : 'replica_gone', stage: 'stage-0', replica: `r${++id}`, at },
              `e-${id}`,
            ),
      );
      stream!.write(batch.join(''));
      await page.locator('.happenings').getByText(`r${id} `).first().waitFor();
    }
    await cdp.send('HeapProfiler.collectGarbage');
    const { usedSize } = (await cdp.send('Runtime.getHeapUsage')) as { usedSize: number };
    return usedSize;
  };
  const before = await send(hour / 6);
  const after = await send(hour - hour / 6);
  expect(after - before).toBeLessThan(2 << 20);
  await context.close();
}, 180_000);
