import { mkdir, readFile, rm, utimes, writeFile } from 'node:fs/promises';
import { existsSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { sourcesDigest } from '../../../scripts/bootstrap/compile.mjs';
import { digestOf } from '../../../scripts/bootstrap/digest.mjs';
import { isInstalled } from '../../../scripts/bootstrap/install.mjs';
import { lockHolder, tryLock, withLock } from '../../../scripts/bootstrap/lock.mjs';
import { isAtLeast, requireNode } from '../../../scripts/bootstrap/node-version.mjs';
import { runTool } from '../../../scripts/bootstrap/tool.mjs';
import { repositoryRoot } from '../../../scripts/lib/repository.js';
import { eventually } from '../../support/eventually.js';
import { temporaryFolder } from '../../support/temporary-folder.js';

const folder = temporaryFolder();
const at = (...path: string[]): string => join(folder.path, ...path);

async function write(path: string, content: unknown): Promise<void> {
  await mkdir(join(at(path), '..'), { recursive: true });
  await writeFile(at(path), typeof content === 'string' ? content : JSON.stringify(content));
}

describe('the Node version', () => {
  it.each([
    ['20.19.0', '20.19', true],
    ['20.18.3', '20.19', false],
    ['22.0.0', '20.19', true],
    ['9.99.0', '20.19', false],
    ['20.19', '20.19.1', false],
  ])('%s against %s', (version, wanted, enough) => {
    expect(isAtLeast(version, wanted)).toBe(enough);
  });

  it('that is too old is refused', () => {
    expect(() => requireNode(repositoryRoot, '18.20.0')).toThrow('Node 18.20.0 runs this');
  });
});

describe('installing', () => {
  const lock = {
    packages: {
      '': { name: 'layermesh' },
      'node_modules/express': { version: '5.3.0' },
      'node_modules/other-system': { version: '1.0.0', optional: true },
    },
  };
  beforeEach(async () => {
    await rm(at('node_modules'), { recursive: true, force: true });
    await write('package-lock.json', lock);
  });

  it('is needed where nothing is', () => {
    expect(isInstalled(folder.path)).toBe(false);
  });

  it('is not needed after npm was run by hand', async () => {
    await write('node_modules/.package-lock.json', {
      packages: { 'node_modules/express': { version: '5.3.0' } },
    });
    expect(isInstalled(folder.path)).toBe(true);
  });

  it('is needed when a package has another version', async () => {
    await write('node_modules/.package-lock.json', {
      packages: { 'node_modules/express': { version: '4.0.0' } },
    });
    expect(isInstalled(folder.path)).toBe(false);
  });

  it('is needed when the lock file has changed since', async () => {
    await write('node_modules/.layermesh-installed', digestOf(await readFile(at('package-lock.json'))));
    expect(isInstalled(folder.path)).toBe(true);
    await write('package-lock.json', {
      packages: { ...lock.packages, 'node_modules/zod': { version: '4.6.7' } },
    });
    expect(isInstalled(folder.path)).toBe(false);
  });
});

describe('compiling', () => {
  beforeEach(async () => {
    await write('services/a.ts', 'export const a = 1;');
    await write('scripts/run.mjs', '');
  });

  it('is needed for what is new, changed, touched or gone, and for nothing else', async () => {
    const digest = sourcesDigest(folder.path);
    await write('services/notes.md', 'not compiled');
    expect(sourcesDigest(folder.path)).toBe(digest);

    await write('services/b/c.ts', '');
    const withNew = sourcesDigest(folder.path);
    expect(withNew).not.toBe(digest);

    await utimes(at('services/a.ts'), new Date(0), new Date(0));
    const touched = sourcesDigest(folder.path);
    expect(touched).not.toBe(withNew);

    await rm(at('services/b/c.ts'));
    expect(sourcesDigest(folder.path)).not.toBe(touched);
  });
});

describe('a lock', () => {
  it('lets one work after the other', async () => {
    const order: string[] = [];
    let finish = (): void => undefined;
    const held = new Promise<void>((resolve) => {
      finish = resolve;
    });
    const first = withLock(at('lock'), async () => {
      await held;
      order.push('first');
    });
    const owners: string[] = [];
    const second = withLock(at('lock'), () => Promise.resolve(order.push('second')), {
      onWait: (owner) => owners.push(owner),
    });
    await eventually('the second to wait', () => owners.length > 0);
    finish();
    await Promise.all([first, second]);
    expect(order).toEqual(['first', 'second']);
    expect(owners[0]).toContain(String(process.pid));
    expect(existsSync(at('lock'))).toBe(false);
  });

  it('is given back by work that fails', async () => {
    await expect(withLock(at('lock'), () => Promise.reject(new Error('no')))).rejects.toThrow('no');
    expect(existsSync(at('lock'))).toBe(false);
  });

  it('is taken over from a process that died', async () => {
    const lockModule = join(repositoryRoot, 'scripts', 'bootstrap', 'lock.mjs');
    const script = `
      import { withLock } from ${JSON.stringify(lockModule)};
      await withLock(${JSON.stringify(at('lock'))}, async () => process.kill(process.pid, 'SIGKILL'));`;
    await runTool(process.execPath, ['--input-type=module', '-e', script], { cwd: folder.path });
    expect(existsSync(at('lock'))).toBe(true);
    expect(await withLock(at('lock'), () => Promise.resolve('mine'))).toBe('mine');
  });

  it('is taken over when its pid has been given to another process since', async () => {
    const [host, pid, start] = [hostname(), String(process.pid), '1'];
    await write('lock', `${host} ${pid} ${start}`);
    expect(lockHolder(at('lock'))).toBeNull();
    const release = tryLock(at('lock'));
    expect(lockHolder(at('lock'))).toBe(process.pid);
    release!();
  });

  it('is not had while another lives, and not given back by who has lost it', async () => {
    const release = tryLock(at('lock'))!;
    expect(tryLock(at('lock'))).toBeNull();
    await write('lock', `elsewhere 1 1`);
    expect(lockHolder(at('lock'))).toBeNull();
    expect(tryLock(at('lock'))).toBeNull();
    release();
    expect(await readFile(at('lock'), 'utf8')).toBe('elsewhere 1 1');
    await rm(at('lock'));
  });

  it('is not waited for after an abort', async () => {
    const abort = new AbortController();
    const work = withLock(at('lock'), () =>
      withLock(at('lock'), () => Promise.resolve(), { signal: abort.signal, onWait: () => abort.abort() }),
    );
    await expect(work).rejects.toMatchObject({ name: 'AbortError' });
  });
});
