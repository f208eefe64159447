import type { Browser, Page } from 'playwright-core';
import { eventually } from '../support/eventually.js';
import { findingsOf, openBrowser, openPage } from './browser.js';
import { startSystem, type TestSystem } from '../support/local-system.js';

const MAX_BYTES = 150_000;
const FIRST_PAINT_MS = 500;
/** With nothing cached; the soonest counts, for one look also tells what else the machine has to do. */
const LOOKS = 3;

let system: TestSystem;
let browser: Browser;
beforeAll(async () => {
  [system, browser] = await Promise.all([startSystem({ mesh: 'direct' }), openBrowser()]);
});
afterAll(() => Promise.all([browser.close(), system.stop()]));

/** Milliseconds from asking for the page. */
const firstPaint = (page: Page): Promise<number> =>
  eventually('it is painted', () =>
    page.evaluate(() => performance.getEntriesByName('first-contentful-paint')[0]?.startTime),
  );

test('the console: one small page, which asks nobody else, chats and shows the mesh', async () => {
  const { page, context, problems, asked } = await openPage(browser, system.url);
  const sizes = await page.evaluate(() =>
    performance
      .getEntriesByType('resource')
      .map((entry) => (entry as PerformanceResourceTiming).encodedBodySize),
  );
  const paints = [await firstPaint(page)];
  while (paints.length < LOOKS) {
    const other = await openPage(browser, system.url);
    paints.push(await firstPaint(other.page));
    await other.context.close();
  }
  expect(Math.min(...paints)).toBeLessThan(FIRST_PAINT_MS);

  await page.locator('[data-stage=stage-2] .replica').first().waitFor();
  await page.getByLabel('Your message').fill('Count to five.');
  await page.keyboard.press('Enter');
  const receipt = page.locator('.receipt .figures');
  await receipt.waitFor({ timeout: 30_000 });
  expect(await receipt.textContent()).toMatch(/tokens\/s.*first token.*\d+ tokens?/);
  expect(await page.locator('.receipt .route > span').count()).toBe(3);

  await page.getByRole('link', { name: 'Waterfall' }).click();
  await page.locator('.lane[data-lane=stage-2] i').first().waitFor();
  expect(await findingsOf(page)).toEqual([]);

  expect(asked.filter((url) => !url.startsWith(system.url))).toEqual([]);
  expect(sizes.reduce((sum, size) => sum + size, 0)).toBeLessThan(MAX_BYTES);
  expect(problems).toEqual([]);
  await context.close();
});
