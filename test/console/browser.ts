import { readFileSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { chromium, type Browser, type BrowserContext, type Page } from 'playwright-core';
import { findBrowser, missingBrowser } from '../../scripts/lib/check/browser.js';

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

export const DESKTOP = { width: 1440, height: 900 };
export const PHONE = { width: 390, height: 844 };

/** Headless, and with no network but the loopback interface. Throws `browser_missing`. */
export async function openBrowser(): Promise<Browser> {
  const executablePath = findBrowser();
  if (executablePath === null) throw missingBrowser();
  // Chromium's sandbox refuses root, as which containers run.
  const args = process.getuid?.() === 0 ? ['--no-sandbox'] : [];
  return chromium.launch({ executablePath, args });
}

export interface Opened {
  readonly page: Page;
  readonly context: BrowserContext;
  /** What the page said on its console, and exceptions. */
  readonly problems: string[];
  /** Where it asked for anything. */
  readonly asked: string[];
}

export interface OpenOptions {
  readonly viewport?: { width: number; height: number };
  readonly dark?: boolean;
}

/** A fresh page of a fresh browser profile. */
export async function openPage(
  browser: Browser,
  url: string,
  { viewport = DESKTOP, dark = false }: OpenOptions = {},
  prepare: (page: Page) => Promise<void> = () => Promise.resolve(),
): Promise<Opened> {
  const context = await browser.newContext({
    viewport,
    colorScheme: dark ? 'dark' : 'light',
    reducedMotion: 'reduce',
  });
  const page = await context.newPage();
  const problems: string[] = [];
  const asked: string[] = [];
  page.on('console', (message) => {
    if (message.type() === 'error') problems.push(message.text());
  });
  page.on('pageerror', (error) => problems.push(String(error)));
  page.on('request', (request) => asked.push(request.url()));
  await prepare(page);
  await page.goto(url);
  return { page, context, problems, asked };
}

/** Serious and critical findings of axe-core, each in a line. */
export async function findingsOf(page: Page): Promise<string[]> {
  await page.evaluate(axe);
  return page.evaluate(async () => {
    const { violations } = await (
      globalThis as unknown as { axe: { run(): Promise<{ violations: Violation[] }> } }
    ).axe.run();
    interface Violation {
      readonly id: string;
      readonly impact: string;
      readonly nodes: readonly { readonly html: string; readonly failureSummary: string }[];
    }
    return violations
      .filter(({ impact }) => impact === 'serious' || impact === 'critical')
      .flatMap(({ id, nodes }) =>
        nodes.map(({ html, failureSummary }) => `${id}: ${html.slice(0, 120)} ${failureSummary}`),
      );
  });
}

/** Kept where `LAYERMESH_SHOTS` says; nowhere else, for who wants to look at them. */
export async function shoot(page: Page, name: string): Promise<void> {
  const folder = process.env['LAYERMESH_SHOTS'];
  if (folder === undefined) return;
  await mkdir(folder, { recursive: true });
  await page.screenshot({ path: join(folder, `${name}.png`) });
}

/** Nothing is wider than the page, and nothing that is to be read is cut off. */
export const isCutOff = (page: Page): Promise<string[]> =>
  page.evaluate(() => {
    const wide = document.documentElement.scrollWidth > document.documentElement.clientWidth + 1;
    const cut = [...document.querySelectorAll('h1, h2, h3, dd, dt, button, .badge, th')]
      .filter((element) => element.clientWidth > 0 && element.scrollWidth > element.clientWidth + 1)
      .map((element) => `${element.tagName} "${element.textContent}" is cut off`);
    return wide ? ['the page is wider than its window', ...cut] : cut;
  });

/** Says something in the chat. */
export async function say(page: Page, text: string): Promise<void> {
  await page.getByLabel('Your message').fill(text);
  await page.getByRole('button', { name: 'Send' }).click();
}
