import { once } from 'node:events';
import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import express from 'express';
import type { Browser, Page } from 'playwright-core';
import { consolePage } from '../../services/gateway/http/routes/console.js';
import { ensureCompiled } from '../../scripts/bootstrap/compile.mjs';
import { repositoryRoot } from '../../scripts/lib/repository.js';
import { findingsOf, openBrowser, openPage, say } from './browser.js';

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
let gatewayName = EVIL;
const stateOf = (at: number): object => ({
  at,
  gateway: gatewayName,
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
/** Of which model it has asked for the mesh. */
const asked: unknown[] = [];
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

const RESULTS = ['experiment/map.json', `${EVIL}/${EVIL}.json`].map((name) => ({ name, bytes: 9, at: 1 }));
const EVIL_PLACE = {
  shape: EVIL,
  device: EVIL,
  arm: EVIL,
  prompt: 1,
  hopMs: 1,
  hopName: EVIL,
  kneePerDevice: 1,
  ratioToWhole: 2,
  scale: 1,
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

/** A model's answer that is written to keep a page from doing anything else. */
const BOMBS: readonly string[] = [
  '>'.repeat(20_000),
  '> - '.repeat(5_000),
  '**a*_'.repeat(10_000),
  '['.repeat(50_000),
  '![['.repeat(15_000),
  '`a'.repeat(30_000),
  `|${'a|'.repeat(3_000)}\n|${'-|'.repeat(3_000)}\n`,
  Array.from({ length: 400 }, (_, depth) => `${' '.repeat(depth * 2)}- a`).join('\n'),
  `<div ${'a '.repeat(30_000)}`,
  `a${' '.repeat(50_000)}b`,
];
const HUGE_TOKENS = 100_000;
const word = (index: number): string =>
  index % 400 === 0 ? '\n\n## Part\n\n' : index % 100 === 0 ? '\n\n- ' : `word${index % 7} `;

/** Streams tokens as a gateway does, as fast as the page takes them. */
async function streamAnswer(response: ServerResponse, tokens: Iterable<string>): Promise<void> {
  response.writeHead(200, { 'content-type': 'text/event-stream', 'x-layermesh-route': 'stage-0/<b>' });
  let index = 0;
  let batch = '';
  const flush = async (): Promise<void> => {
    const isTaken = response.write(batch);
    batch = '';
    if (isTaken || response.destroyed) return;
    const over = new AbortController();
    const first = ['drain', 'close'].map((event) => once(response, event, { signal: over.signal }));
    await Promise.race(first);
    over.abort();
  };
  for (const content of tokens) {
    const choice = { index: 0, delta: { content }, token_ids: [index, index++] };
    batch += `data: ${JSON.stringify({ choices: [choice] })}\n\n`;
    if (batch.length > 1 << 16) await flush();
  }
  const end = { choices: [{ index: 0, delta: {}, finish_reason: 'stop' }] };
  response.end(`${batch}data: ${JSON.stringify(end)}\n\ndata: [DONE]\n\n`);
}

/** What is answered to what was said last. */
function* answerTo(said: string): Generator<string> {
  if (said === 'huge') for (let index = 0; index < HUGE_TOKENS; index++) yield word(index);
  else if (said.startsWith('bomb ')) yield* BOMBS[Number(said.slice(5))]!.match(/[^]{1,500}/g)!;
  else yield* OUTPUT;
}

beforeAll(async () => {
  await ensureCompiled(repositoryRoot);
  const app = express();
  app.use(consolePage(join(repositoryRoot, 'dist', 'gateway', 'console'))!);
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
    asked.push(request.query['model']);
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    const change = { kind: 'replica_up', stage: 'stage-0', replica: EVIL, at: Date.now() };
    response.write(
      event('reset', {}) +
        event('change', change, 'e-1') +
        event('state', stateOf(Date.now())) +
        event('requests', { trace_url: null, whole: true, requests: [summary] }),
    );
    stream = response;
  });
  app.get('/load', (_request, response) => void response.json({ step_s: 5, points: [] }));
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
  const models = [EVIL, 'other'].map((id) => ({ id, root: id }));
  app.get('/v1/models', (_request, response) => {
    response.json({ data: [...models, { id: 'an alias', root: EVIL }] });
  });
  app.post('/v1/chat/completions', express.json({ limit: '4mb' }), (request, response) => {
    const { messages } = request.body as { messages: { content: string }[] };
    if (messages.at(-1)!.content === 'fail') {
      response.status(503).json({ error: { message: EVIL, type: 'server_error', param: null, code: EVIL } });
      return;
    }
    void streamAnswer(response, answerTo(messages.at(-1)!.content));
  });
  app.get('/results', (_request, response) => void response.json({ results: RESULTS }));
  app.get('/results/:folder/:file', (_request, response) => void response.json({ [EVIL]: [EVIL_PLACE] }));
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
  const { page, context, problems, asked: paths } = await openPage(browser, url);
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
  expect(await findingsOf(page)).toEqual([]);
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
    if (place === 'load') await page.locator('.map td.more').waitFor();
    expect(await findingsOf(page)).toEqual([]);
  }
  expect(await hit()).toBeUndefined();
  expect(paths.filter((each) => !each.startsWith(url))).toEqual([]);
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
    expect(await findingsOf(page)).toEqual([]);
    await dialog.getByLabel('Key').fill('op-key');
    await dialog.getByRole('button', { name: 'Use it' }).click();
    await page.locator('.standing.live').waitFor();
    await page.getByLabel('Your message').fill('hello');
    await page.keyboard.press('Enter');
    await dialog.getByText('This gateway wants an API key').waitFor();
    await dialog.getByLabel('Key').fill('user-key');
    await dialog.getByRole('button', { name: 'Use it' }).click();
    await dialog.waitFor({ state: 'detached' });
    const focused = await page.evaluate(() => document.activeElement?.getAttribute('aria-label'));
    expect(focused).toBe('Your message');
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

test('of several models, shows the mesh of the one that is chosen', async () => {
  const { page, context, problems } = await openPage(browser, `${url}/#/mesh`);
  const chooser = page.getByRole('combobox', { name: 'Model' });
  await chooser.waitFor();
  expect(await chooser.locator('option').allTextContents()).toEqual([EVIL, 'other']);
  await chooser.selectOption('other');
  await page.waitForURL(`${url}/?model=other#/mesh`);
  await chooser.waitFor();
  expect(asked).toContain('other');
  expect(problems).toEqual([]);
  await context.close();
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

test('comes back to a gateway that was started again, and forgets what the one before told', async () => {
  const { page, context } = await openPage(browser, `${url}/#/mesh`);
  await page.locator('.standing.live').waitFor();
  await page.locator('.happenings li').first().waitFor();
  const port = (server.address() as AddressInfo).port;
  server.closeAllConnections();
  server.close();
  await once(server, 'close');
  await page.locator('.standing.lost').waitFor();
  await page.getByText('This is how it was at').waitFor();
  gatewayName = 'another';
  server.listen(port, '127.0.0.1');
  await page.locator('.standing.live').waitFor({ timeout: 30_000 });
  await page.getByText('This is how it was at').waitFor({ state: 'detached' });
  await page.getByText('gateway another').waitFor();
  expect(await page.locator('.happenings li').count()).toBe(1);
  gatewayName = EVIL;
  await context.close();
}, 60_000);

/** The longest that the page did not answer so far, ms. */
const longestPause = (page: Page): Promise<number> =>
  page.evaluate(() => (globalThis as unknown as { longest: number }).longest);

async function watchPauses(page: Page): Promise<void> {
  await page.evaluate(() => {
    const state = globalThis as unknown as { longest: number };
    let last = performance.now();
    state.longest = 0;
    setInterval(() => {
      const now = performance.now();
      state.longest = Math.max(state.longest, now - last);
      last = now;
    }, 20);
  });
}

test('an answer of 100,000 tokens comes whole, and the page answers meanwhile', async () => {
  const { page, context, problems } = await openPage(browser, url);
  await watchPauses(page);
  await say(page, 'huge');
  await page.locator('.receipt').waitFor({ timeout: 120_000 });
  expect(await longestPause(page)).toBeLessThan(2_000);
  const text = (await page.locator('.answer .prose').textContent())!;
  expect(text.length).toBeGreaterThan(HUGE_TOKENS * 5);
  expect(await page.locator('.answer .prose h4').count()).toBe(HUGE_TOKENS / 400);
  expect(problems).toEqual([]);
  await context.close();
}, 180_000);

test('an answer whose markdown is a trap is shown, and soon', async () => {
  const { page, context, problems } = await openPage(browser, url);
  await watchPauses(page);
  for (const number of BOMBS.keys()) {
    await say(page, `bomb ${number}`);
    await page.locator('.receipt').nth(number).waitFor();
    expect([number, (await longestPause(page)) < 3_000]).toEqual([number, true]);
  }
  expect(await page.locator('.notice.bad').count()).toBe(0);
  await page.reload();
  await page
    .locator('.receipt')
    .nth(BOMBS.length - 1)
    .waitFor();
  expect(problems).toEqual([]);
  await context.close();
}, 180_000);

test('a browser that has no room left keeps the latest, and says so', async () => {
  const { page, context, problems } = await openPage(browser, url);
  await say(page, 'first');
  await page.locator('.receipt').waitFor();
  await page.evaluate(() => {
    let piece = 'x'.repeat(1 << 20);
    while (piece !== '') {
      try {
        localStorage.setItem(`full ${piece.length} ${localStorage.length}`, piece);
      } catch {
        piece = piece.slice(piece.length / 2 + 1);
      }
    }
  });
  await page.getByRole('button', { name: 'New chat' }).click();
  await say(page, 'second');
  await page.locator('.receipt').waitFor();
  await page.getByText('This browser has no room').waitFor();
  await page.evaluate(() => {
    for (const key of Object.keys(localStorage)) if (key.startsWith('full')) localStorage.removeItem(key);
  });
  await say(page, 'third');
  await page.locator('.receipt').nth(1).waitFor();
  await page.getByText('Kept in this browser only').waitFor();
  await page.reload();
  await page.locator('.history li').nth(1).waitFor();
  expect(problems).toEqual([]);
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
