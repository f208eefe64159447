import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { DaprMeshConfig } from '../../services/lib/config/config.js';
import { readDaprSecret } from '../../services/lib/mesh/dapr-secret.js';
import { ensureDaprd } from '../../scripts/lib/local/daprd.js';
import { sidecarArguments } from '../../scripts/lib/local/processes/member.js';
import { freePorts } from '../../scripts/lib/local/processes/ports.js';
import { RunFolder } from '../../scripts/lib/local/run/run-folder.js';
import { eventually } from '../support/eventually.js';
import { SMALL, smallPrompt, startSystem, type TestSystem } from '../support/local-system.js';

const keyOf = (name: string): string => `sk-of-${name}-0123456789`;
const OPERATOR = 'op-of-everything-0123';
const listOf = (...keys: string[]): string => JSON.stringify([{ name: 'alice', key: keys }]);
const logOf = ({ url }: TestSystem): string =>
  readFileSync(new RunFolder(Number(new URL(url).port)).log('gateway.1'), 'utf8');
const bearer = (key: string): Record<string, string> => ({ authorization: `Bearer ${key}` });

describe('a system with keys in a file', () => {
  const folder = mkdtempSync(join(tmpdir(), 'layermesh-keys-'));
  const file = join(folder, 'keys.json');
  let system: TestSystem;
  beforeAll(async () => {
    writeFileSync(file, listOf(keyOf('first')));
    const env = { LAYERMESH_KEYS_FILE: file, LAYERMESH_OPERATOR_KEY: OPERATOR };
    system = await startSystem({ model: SMALL, mesh: 'direct', stages: 2, env });
  }, 120_000);
  afterAll(async () => {
    await system.stop();
    rmSync(folder, { recursive: true });
  });

  const post = (key: string): Promise<Response> =>
    fetch(`${system.url}/v1/completions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...bearer(key) },
      body: JSON.stringify({ prompt: smallPrompt(5), max_tokens: 8, ignore_eos: true }),
    });
  const statusOf = async (key: string): Promise<number> => {
    const response = await post(key);
    await response.text();
    return response.status;
  };

  it('changes them under load without a failed request', async () => {
    let key = keyOf('first');
    let isOver = false;
    const statuses: number[] = [];
    const clients = Array.from({ length: 4 }, async () => {
      while (!isOver) statuses.push(await statusOf(key));
    });
    for (const next of ['second', 'third'].map(keyOf)) {
      const old = key;
      writeFileSync(file, listOf(old, next));
      await eventually('the new key', async () => (await statusOf(next)) === 200, 20_000);
      key = next;
      const sent = statuses.length;
      await eventually('answers to it', () => statuses.length > sent + 8, 20_000);
      writeFileSync(file, listOf(next));
      await eventually('an end of the old one', async () => (await statusOf(old)) === 401, 20_000);
    }
    // What is half written, or gone, takes nobody's key.
    writeFileSync(file, '[{');
    await eventually('a warning', () => logOf(system).includes('the keys stay as they were'), 20_000);
    const sent = statuses.length;
    await eventually('answers after it', () => statuses.length > sent + 8, 20_000);
    isOver = true;
    await Promise.all(clients);
    expect(statuses.length).toBeGreaterThan(30);
    expect(statuses.filter((status) => status !== 200)).toEqual([]);
  }, 90_000);

  it('shows what it is and does to the operator alone, and writes no key down', async () => {
    for (const route of ['/topology', '/metrics']) {
      expect((await fetch(system.url + route)).status).toBe(401);
      expect((await fetch(system.url + route, { headers: bearer(keyOf('third')) })).status).toBe(401);
      expect((await fetch(system.url + route, { headers: bearer(OPERATOR) })).status).toBe(200);
    }
    const log = logOf(system);
    expect(log).toContain('the keys have changed');
    expect(log).toContain('the keys stay as they were');
    expect(log).not.toMatch(/sk-of|op-of/);
  });
});

describe("a secret store of Dapr's", () => {
  const folder = mkdtempSync(join(tmpdir(), 'layermesh-secrets-'));
  let sidecar: ChildProcess;
  let mesh: DaprMeshConfig;
  beforeAll(async () => {
    const secrets = join(folder, 'secrets.json');
    writeFileSync(
      secrets,
      JSON.stringify({ layermesh: listOf(keyOf('first')), several: { keys: 'a', operator: 'b' } }),
    );
    writeFileSync(
      join(folder, 'store.yaml'),
      `apiVersion: dapr.io/v1alpha1
kind: Component
metadata:
  name: vault
spec:
  type: secretstores.local.file
  version: v1
  metadata:
    - name: secretsFile
      value: ${secrets}
    - name: multiValued
      value: 'true'
`,
    );
    const [http, grpc, internalGrpc, metrics] = (await freePorts(4)) as [number, number, number, number];
    const app = {
      appId: 'gateway',
      directory: folder,
      command: [],
      env: {},
      configPath: '',
      resourcesPaths: [folder],
      appProtocol: 'grpc',
      maxBodySize: '4Mi',
      logLevel: 'info',
      serves: false,
    };
    const ports = { http, grpc, internalGrpc, metrics, app: null };
    const words = sidecarArguments(app, ports).filter((word) => word !== '--config=');
    sidecar = spawn((await ensureDaprd())!, words, { cwd: folder, stdio: 'ignore' });
    mesh = {
      kind: 'dapr',
      daprHttpPort: http,
      daprGrpcPort: grpc,
      storeName: '',
      shows: {},
      wants: {},
    };
    const url = `http://127.0.0.1:${http}/v1.0/healthz/outbound`;
    const isUp = (): Promise<boolean> =>
      fetch(url).then(
        ({ ok }) => ok,
        () => false,
      );
    await eventually('a sidecar', isUp, 30_000);
  }, 60_000);
  afterAll(() => {
    sidecar.kill();
    rmSync(folder, { recursive: true });
  });

  it('gives what the gateway reads', async () => {
    const read = (name: string): Promise<string> =>
      readDaprSecret(mesh, { store: 'vault', name }, new AbortController().signal);
    expect(await read('layermesh')).toBe(listOf(keyOf('first')));
    expect(await read('several')).toBe('a');
    await expect(read('nothing')).rejects.toMatchObject({ code: 'sidecar_missing' });
  });
});
