import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { parse } from 'yaml';
import { runTool } from '../../../scripts/bootstrap/tool.mjs';
import { readRunFile } from '../../../scripts/lib/local/run/run-file.js';
import { RunFolder } from '../../../scripts/lib/local/run/run-folder.js';
import { runningPortOption } from '../../../scripts/lib/local/run/running.js';
import { benchCommand } from '../../../scripts/lib/measure/bench/options.js';
import { temporaryFolder } from '../../support/temporary-folder.js';

describe('the folder of a run', () => {
  const cache = temporaryFolder();
  const before = process.env['LAYERMESH_CACHE'];
  beforeAll(() => {
    process.env['LAYERMESH_CACHE'] = cache.path;
  });
  afterAll(() => {
    if (before === undefined) delete process.env['LAYERMESH_CACHE'];
    else process.env['LAYERMESH_CACHE'] = before;
  });

  it('has its own Dapr files, with SQLite files that no other run opens', async () => {
    const folder = new RunFolder(8123);
    await folder.renew();
    const { configPath, resourcesPaths } = await folder.localize((await readRunFile()).gateway);

    expect(folder.path.startsWith(cache.path)).toBe(true);
    expect(await yaml(configPath)).toMatchObject({
      kind: 'Configuration',
      spec: {
        nameResolution: { configuration: { connectionString: join(folder.path, 'layermesh-names.sqlite') } },
        features: [{ name: 'HotReload', enabled: false }],
      },
    });
    const store = await yaml(join(resourcesPaths[0]!, 'statestore.yaml'));
    expect(store).toMatchObject({
      spec: {
        type: 'state.sqlite',
        metadata: [
          { name: 'connectionString', value: join(folder.path, 'layermesh-state.sqlite') },
          { name: 'keyPrefix', value: 'name' },
          { name: 'cleanupInterval', value: '1h' },
        ],
      },
    });
  });

  it('keeps its state in a Redis where one is given, apart from all others, and nobody else reads its password', async () => {
    const folder = new RunFolder(8123);
    await folder.renew();
    const redis = { host: '127.0.0.1', port: 7_000, username: '', password: 'secret', database: 0 };
    const { configPath, resourcesPaths } = await folder.localize((await readRunFile()).gateway, null, redis);
    const path = join(resourcesPaths[0]!, 'statestore.yaml');
    const { metadata, spec } = (await yaml(path)) as {
      metadata: unknown;
      spec: { type: string; metadata: { name: string; value: string }[] };
    };
    expect([metadata, spec.type]).toEqual([{ name: 'statestore' }, 'state.redis']);
    const items = new Map(spec.metadata.map(({ name, value }) => [name, value]));
    expect(items.get('redisHost')).toBe('127.0.0.1:7000');
    expect(items.get('keyPrefix')).toMatch(/^layermesh-.+-8123$/);
    expect(items.has('connectionString')).toBe(false);
    expect((await stat(path)).mode & 0o077).toBe(0);
    // Names are looked up in the run's own file all the same.
    expect(await yaml(configPath)).toHaveProperty('spec.nameResolution.component', 'sqlite');
  });

  it('has databases that sidecars need not bring into another mode', async () => {
    const folder = new RunFolder(8123);
    await folder.renew();
    for (const name of ['layermesh-names.sqlite', 'layermesh-state.sqlite']) {
      const script = [
        'import sqlite3, sys',
        'store = sqlite3.connect(sys.argv[1])',
        'print(*store.execute("pragma journal_mode").fetchone(), *store.execute("pragma integrity_check").fetchone())',
        'store.execute("create table t(x)")',
      ].join('\n');
      const args = ['-c', script, join(folder.path, name)];
      expect(await runTool('python3', args, { cwd: folder.path })).toEqual({ code: 0, output: 'wal ok\n' });
    }
  });

  it('has one owner at a time, and says who', () => {
    const disown = new RunFolder(8123).own();
    expect(new RunFolder(8123).owner).toBe(process.pid);
    expect(() => new RunFolder(8123).own()).toThrow(
      expect.objectContaining({
        code: 'port_in_use',
        message: `a local system has port 8123 already (pid ${process.pid})`,
      }) as Error,
    );
    new RunFolder(8124).own()();
    disown();
    expect(new RunFolder(8123).owner).toBeNull();
    new RunFolder(8123).own()();
  });

  it('is found by commands where it is of the only system that runs', async () => {
    const port = (): unknown => runningPortOption().defaultValue;
    expect(port()).toBe(8_000);

    const disown = new RunFolder(8123).own();
    expect(port()).toBe(8_123);
    const bench = benchCommand(({ url }) => {
      expect(url).toBe('http://127.0.0.1:8123');
      return Promise.resolve();
    });
    await bench.parseAsync(['--running'], { from: 'user' });
    expect.assertions(4);

    const disownOther = new RunFolder(8124).own();
    expect(port()).toBe(8_000);
    disownOther();
    disown();
  });

  it('with traces has sidecars that export what arrives sampled, and begin no traces worth counting', async () => {
    const folder = new RunFolder(8123);
    const { configPath } = await folder.localize((await readRunFile()).gateway, '127.0.0.1:4317');
    const { spec } = (await yaml(configPath)) as {
      spec: { tracing: { samplingRate: string; otel: unknown } };
    };
    expect(Number(spec.tracing.samplingRate)).toBeGreaterThan(0);
    expect(Number(spec.tracing.samplingRate)).toBeLessThan(1e-9);
    expect(spec.tracing.otel).toEqual({
      endpointAddress: '127.0.0.1:4317',
      isSecure: false,
      protocol: 'grpc',
    });
    expect(spec).toHaveProperty('nameResolution');
  });

  it('has the resiliency of the repository, in which every retry is bounded', async () => {
    const { resourcesPaths } = await new RunFolder(8123).localize((await readRunFile()).gateway);
    const resiliency = (await yaml(join(resourcesPaths[0]!, 'resiliency.yaml'))) as {
      spec: { policies: { retries: Record<string, { maxRetries?: number }> } };
    };
    const retries = Object.values(resiliency.spec.policies.retries);
    expect(retries.length).toBeGreaterThan(0);
    for (const { maxRetries } of retries) expect(maxRetries).toBeGreaterThanOrEqual(0);
  });
});

const yaml = async (path: string): Promise<unknown> => parse(await readFile(path, 'utf8'));
