import type { Browser } from 'playwright-core';
import { eventually } from '../support/eventually.js';
import { findingsOf, openBrowser, openPage } from './browser.js';
import { startSystem, type TestSystem } from '../support/local-system.js';

const MAX_BYTES = 150_000;
const FIRST_PAINT_MS = 500;
/** Of what a page of one line takes on a machine that needs longer for any page. */
const TIMES_A_LINE = 6;
/** With nothing cached; the soonest counts, for one look also tells what else the machine has to do. */
const LOOKS = 3;

let system: TestSystem;
let browser: Browser;
beforeAll(async () => {
  [system, browser] = await Promise.all([startSystem({ mesh: 'direct' }), openBrowser()]);
});
afterAll(() => Promise.all([browser.close(), system.stop()]));

/** Milliseconds from asking for a page to its first paint. */
async function firstPaint(url: string): Promise<number> {
  const paints: number[] = [];
  while (paints.length < LOOKS) {
    const { page, context } = await openPage(browser, url);
    const paint = await eventually('it is painted', () =>
      page.evaluate(() => performance.getEntriesByName('first-contentful-paint')[0]?.startTime),
    );
    paints.push(paint);
    await context.close();
  }
  return Math.min(...paints);
}

test('the console: one small page, which asks nobody else, chats and shows the mesh', async () => {
  const { page, context, problems, asked } = await openPage(browser, system.url);
  const sizes = await page.evaluate(() =>
    performance
      .getEntriesByType('resource')
      .map((entry) => (entry as PerformanceResourceTiming).encodedBodySize),
  );
  const [line, whole] = [await firstPaint(`${system.url}/version`), await firstPaint(system.url)];
  console.log(`first paint: ${whole.toFixed(0)} ms, of a page of one line ${line.toFixed(0)} ms`);
  expect(whole).toBeLessThan(Math.max(FIRST_PAINT_MS, TIMES_A_LINE * line));

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
