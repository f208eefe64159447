import { access, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { repositoryRoot } from '../../scripts/lib/repository.js';
import { startStream } from '../support/completions.js';
import { eventually } from '../support/eventually.js';
import { startSystem, type TestSystem } from '../support/local-system.js';
import { temporaryFolder } from '../support/temporary-folder.js';

const DOCUMENT = join(repositoryRoot, 'docs', 'architecture.md');
const SECTION = /^## A decode round, file by file\n(.*?)^## /ms;
/** What a reader has to open to follow a token once round. */
const MOST_FILES = 28;
const ROUNDS = 40;

/** The files that docs/architecture.md names: on the path, which is a numbered list, beside it, and by the clock. */
async function documented(): Promise<Record<'path' | 'beside' | 'clock', string[]>> {
  const section = SECTION.exec(await readFile(DOCUMENT, 'utf8'))?.[1] ?? '';
  const filesIn = (text: string): string[] =>
    [...text.matchAll(/`((?:gateway|stage|lib)\/[\w/-]+\.ts)`/g)].map(([, file]) => file!);
  const [path = '', beside = '', clock = ''] = section.split(/\n(?:Beside the path|By the clock)/);
  return { path: filesIn(path), beside: filesIn(beside), clock: filesIn(clock) };
}

/** Of a generator every turn of its loop is the same call. */
const loops = async (file: string): Promise<boolean> =>
  /async function\*|async \*|for await/.test(await readFile(join(repositoryRoot, 'services', file), 'utf8'));

/** Finds the file that a place of a bundle is from: each begins with a line that names it, such as `// services/stage/stage.ts`. */
async function sourcesOf(bundle: string): Promise<(offset: number) => string | null> {
  const beginnings = [...(await readFile(bundle, 'utf8')).matchAll(/^\/\/ (services|node_modules)\/(.+)$/gm)];
  return (offset) => {
    const [, folder, file] = beginnings.findLast(({ index }) => index <= offset) ?? [];
    return folder === 'services' ? file! : null;
  };
}

/** How often each function of ours was called in the count of this number, by thread, file and place in its bundle. */
async function calls(folder: string, number: number): Promise<Map<string, { file: string; count: number }>> {
  const all = new Map<string, { file: string; count: number }>();
  const compiled = pathToFileURL(join(repositoryRoot, 'dist')).href;
  const bundles = new Map<string, (offset: number) => string | null>();
  const ending = `-${number}.json`;
  for (const name of (await readdir(folder)).filter((each) => each.endsWith(ending))) {
    const counts = JSON.parse(await readFile(join(folder, name), 'utf8')) as [string, number, number][];
    for (const [url, offset, count] of counts) {
      if (!url.startsWith(compiled)) continue;
      if (!bundles.has(url)) bundles.set(url, await sourcesOf(fileURLToPath(url)));
      const file = bundles.get(url)!(offset);
      if (file === null || file.includes('/gen/')) continue;
      all.set(`${name.slice(0, -ending.length)} ${file} ${offset}`, { file, count });
    }
  }
  return all;
}

describe('a decode round', () => {
  const folder = temporaryFolder();
  let system: TestSystem;
  afterEach(() => system.stop());

  it('goes through the files that docs/architecture.md names, which are few', async () => {
    const hook = pathToFileURL(join(repositoryRoot, 'test', 'support', 'call-counts.mjs')).href;
    system = await startSystem({
      stages: 2,
      env: { NODE_OPTIONS: `--import=${hook}`, CALL_COUNTS: folder.path, LAYERMESH_SPECULATION: 'off' },
    });
    const members = ['gateway', 'stage-0', 'stage-1'].flatMap((appId) => system.members(appId));
    const signalAll = (): void => members.forEach(({ servicePid }) => process.kill(servicePid, 'SIGUSR2'));
    const prompt = Array.from({ length: 8 }, (_, index) => 1_000 + index * 17);
    const stream = await startStream(system.url, prompt, 3 * ROUNDS);
    const tokens = (count: number) =>
      eventually(`${count} tokens`, () => stream.tokens.length >= count, 60_000);
    await tokens(10);
    signalAll();
    const began = performance.now();
    await tokens(20 + ROUNDS);
    signalAll();
    const took = performance.now() - began;
    await stream.done;
    // As long again without a round: what runs by the clock runs as often, however slow the machine is.
    signalAll();
    await delay(took);
    signalAll();
    // Of each process its event loop, and of each stage its engine's thread; and all of it twice.
    const written = async () => (await readdir(folder.path)).length >= 2 * (members.length + 2);
    await eventually('all counts', written);

    const { path, beside, clock } = await documented();
    const named = new Set([...path, ...beside]);
    const [running, resting] = [await calls(folder.path, 0), await calls(folder.path, 1)];
    const inEach = [...running].filter(
      ([place, { count }]) => count - (resting.get(place)?.count ?? 0) >= ROUNDS,
    );
    const counted = new Set(inEach.map(([, { file }]) => file));
    expect([...counted].filter((file) => !named.has(file) && !clock.includes(file))).toEqual([]);
    for (const file of [...named].filter((each) => !counted.has(each)))
      expect([file, await loops(file)]).toEqual([file, true]);
    expect(path.length).toBeLessThanOrEqual(MOST_FILES);
    for (const file of clock) await access(join(repositoryRoot, 'services', file));
    expect(clock.length).toBeLessThan(path.length / 3);
  }, 180_000);
});
