import type { Browser } from 'playwright-core';
import { openBrowser, openPage } from './browser.js';
import { startSystem, type TestSystem } from '../support/local-system.js';

let system: TestSystem;
let browser: Browser;
beforeAll(async () => {
  const env = {
    LAYERMESH_SPECULATION: 'off',
    LAYERMESH_FAULT_STAGE: 'stage-1',
    LAYERMESH_FAULT_STEP_MS: '40',
  };
  [system, browser] = await Promise.all([startSystem({ mesh: 'direct', env }), openBrowser()]);
});
afterAll(() => Promise.all([browser.close(), system.stop()]));

test('a stage that is made slow is marked as the bottleneck, with the reason and what would help', async () => {
  const { page, context, problems } = await openPage(browser, `${system.url}/#/mesh`);
  await fetch(`${system.url}/v1/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ prompt: 'Once', max_tokens: 64, ignore_eos: true }),
  });
  await page.locator('[data-stage=stage-1].bottleneck').waitFor({ timeout: 20_000 });
  expect(await page.locator('.bottleneck').count()).toBe(1);
  expect(await page.getByTestId('bottleneck').textContent()).toContain('stage-1 is the bottleneck');
  expect(await page.locator('th[scope=row]').allTextContents()).toContain('stage-1 +1 replica');
  expect(problems).toEqual([]);
  await context.close();
});
