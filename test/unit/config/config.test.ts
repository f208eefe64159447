import { inspect } from 'node:util';
import { stageId } from '../../../services/lib/config/app-id.js';
import { readGatewayConfig, readStageConfig } from '../../../services/lib/config/config.js';

const gateway = { LAYERMESH_PREPARED: '/models/m' };
const stage = { ...gateway, APP_ID: 'stage-2' };

describe('the configuration', () => {
  it('has a default for all but the model and the identity of a stage', () => {
    expect(readStageConfig(stage)).toMatchObject({
      index: 2,
      served: { prepared: '/models/m', precision: 'int8', split: '' },
      mesh: { kind: 'dapr', daprGrpcPort: 50_001, daprHttpPort: 3_500, storeName: 'statestore' },
      threads: null,
    });
    expect(readGatewayConfig(gateway)).toMatchObject({ appId: 'gateway', port: 8_000, host: '127.0.0.1' });
  });

  it('gives the prefix cache of each stage its room in MiB, of which 0 is none at all', () => {
    expect(readStageConfig(stage).prefixBytes).toBe(256 * 2 ** 20);
    expect(readGatewayConfig(gateway).prefixCache).toBe(true);
    const off = { LAYERMESH_PREFIX_CACHE_MB: '0' };
    expect(readStageConfig({ ...stage, ...off }).prefixBytes).toBe(0);
    expect(readGatewayConfig({ ...gateway, ...off }).prefixCache).toBe(false);
  });

  it('takes what is set to nothing for unset', () => {
    const empty = {
      ...gateway,
      LAYERMESH_LOG_LEVEL: '',
      LAYERMESH_PORT: '',
      LAYERMESH_REPLICA: '',
      LAYERMESH_SPLIT: '',
    };
    expect(readGatewayConfig(empty)).toMatchObject({
      logLevel: 'info',
      port: 8_000,
      models: [{ served: { split: '' } }],
    });
    expect(readGatewayConfig(empty).replica).toMatch(/^[0-9a-f]{12}$/);
  });

  it('gives every process a replica id of its own', () => {
    expect(readStageConfig(stage).replica).toMatch(/^[0-9a-f]{12}$/);
    expect(readStageConfig(stage).replica).not.toBe(readStageConfig(stage).replica);
    expect(readStageConfig({ ...stage, LAYERMESH_REPLICA: 'mine' }).replica).toBe('mine');
  });

  it('shows its sidecar one token and wants another of it, and prints neither', () => {
    const dapr = { DAPR_API_TOKEN: 'of-dapr', APP_API_TOKEN: 'of-app', LAYERMESH_MESH_TOKEN: 'of-mesh' };
    const config = readStageConfig({ ...stage, ...dapr });
    expect(config.mesh.shows['dapr-api-token']!.equals('of-dapr')).toBe(true);
    expect(config.mesh.wants['dapr-api-token']!.equals('of-app')).toBe(true);
    expect(config.mesh.wants['layermesh-token']!.equals('of-mesh')).toBe(true);
    for (const printed of [JSON.stringify(config), inspect(config, { depth: null })])
      expect(printed).not.toMatch(/of-(dapr|app|mesh)/);

    const direct = { LAYERMESH_MESH: 'direct', LAYERMESH_REGISTRY_DIR: '/r' };
    expect(Object.keys(readStageConfig({ ...stage, ...dapr, ...direct }).mesh.wants)).toEqual([
      'layermesh-token',
    ]);
    expect(readStageConfig(stage).mesh.wants).toEqual({});
  });

  const keyed = { LAYERMESH_KEYS_FILE: '/keys/clients', LAYERMESH_OPERATOR_KEY: 'of-operator' };

  it.each([
    [{}, null],
    [keyed, { kind: 'file', path: '/keys/clients' }],
    [
      { LAYERMESH_KEYS_SECRET: 'vault/layermesh', DAPR_HTTP_PORT: '3501' },
      { kind: 'secret', store: 'vault', name: 'layermesh', mesh: { daprHttpPort: 3_501 } },
    ],
  ])('finds keys as %j says', (variables, keys) => {
    expect(readGatewayConfig({ ...gateway, ...variables })).toMatchObject({ keys });
  });

  it.each(['0.0.0.0', '::', '10.0.0.1', 'layermesh.example', '127.1'])(
    'listens at %s only with keys of both kinds, or where everyone may come in',
    (host) => {
      const there = { ...gateway, LAYERMESH_HOST: host };
      expect(readGatewayConfig({ ...there, ...keyed }).host).toBe(host);
      expect(readGatewayConfig({ ...there, LAYERMESH_INSECURE: '1' }).keys).toBeNull();
      for (const [missing, what] of [
        ['LAYERMESH_KEYS_FILE', 'keys'],
        ['LAYERMESH_OPERATOR_KEY', 'operator key'],
      ] as const) {
        const variables = { ...there, ...keyed, [missing]: '' };
        expect(() => readGatewayConfig(variables)).toThrow(
          expect.objectContaining({
            code: 'invalid_config',
            message: `LAYERMESH_HOST is "${host}", and there is no ${what}`,
          }) as Error,
        );
      }
    },
  );

  it.each(['127.0.0.1', '127.3.2.1', 'localhost', '::1', ''])('listens at %j without', (host) => {
    expect(readGatewayConfig({ ...gateway, LAYERMESH_HOST: host }).keys).toBeNull();
  });

  it('prints no key', () => {
    const config = readGatewayConfig({ ...gateway, ...keyed });
    for (const printed of [JSON.stringify(config), inspect(config, { depth: null })])
      expect(printed).not.toContain('of-operator');
  });

  it.each([
    [{ LAYERMESH_KEYS_SECRET: 'vault' }, 'not of the form store/name'],
    [{ LAYERMESH_KEYS_SECRET: 'vault/../x' }, 'not of the form store/name'],
    [{ ...keyed, LAYERMESH_KEYS_SECRET: 'vault/x' }, 'LAYERMESH_KEYS_FILE is set too'],
    [
      { LAYERMESH_KEYS_SECRET: 'vault/x', LAYERMESH_MESH: 'direct', LAYERMESH_REGISTRY_DIR: '/r' },
      'without Dapr',
    ],
    [{ LAYERMESH_INSECURE: 'yes' }, 'not one of 0, 1'],
  ])('refuses %j', (variables, problem) => {
    expect(() => readGatewayConfig({ ...gateway, ...variables })).toThrow(problem);
  });

  it.each([
    // What others prepared last is none of a service's business.
    [{ APP_ID: 'stage-2' }, 'LAYERMESH_PREPARED is not set'],
    [{ APP_ID: 'stage' }, 'APP_ID is "stage"'],
    [{}, 'APP_ID is not set'],
    [{ ...stage, APP_PORT: '70000' }, 'APP_PORT is "70000", not a whole number from 0 to 65535'],
    [{ ...stage, LAYERMESH_KV_TOKENS: 'many' }, 'LAYERMESH_KV_TOKENS is "many"'],
    [{ ...stage, LAYERMESH_THREADS: '1.5' }, 'LAYERMESH_THREADS is "1.5"'],
    [{ ...stage, LAYERMESH_PRECISION: 'int4' }, 'LAYERMESH_PRECISION is "int4", not one of int8, f32'],
    [{ ...stage, LAYERMESH_MESH: 'direct' }, 'LAYERMESH_REGISTRY_DIR is not set'],
    [{ ...stage, LAYERMESH_MESH: 'direct', LAYERMESH_REGISTRY_DIR: '' }, 'LAYERMESH_REGISTRY_DIR is not set'],
    [{ ...stage, LAYERMESH_REPLICA: 'a b' }, 'LAYERMESH_REPLICA is "a b"'],
    [{ ...stage, LAYERMESH_REPLICA: 'a'.repeat(64) }, 'LAYERMESH_REPLICA is "aaa'],
    [{ ...stage, LAYERMESH_LOG_LEVEL: 'loud' }, 'LAYERMESH_LOG_LEVEL is "loud", not one of trace, debug'],
  ])('stops the process at %j', (variables, problem) => {
    expect(() => readStageConfig(variables)).toThrow(
      expect.objectContaining({ code: 'invalid_config' }) as Error,
    );
    expect(() => readStageConfig(variables)).toThrow(problem);
  });

  it('takes an engine that only takes time, which needs no model', () => {
    const timed = { APP_ID: 'stage-0', LAYERMESH_ENGINE: 'timed', LAYERMESH_HOP_MS: '1.5' };
    expect(readStageConfig(timed).served).toEqual({
      engine: 'timed',
      device: 'a100-80g',
      shape: 'llama-2-13b',
      start: null,
      storageGBps: null,
      dilation: 1,
      hopSeconds: 0.0015,
      activations: 'f16',
      split: '',
    });
    const start = { LAYERMESH_START: 'stock', LAYERMESH_STORAGE_GBPS: '2.5' };
    const more = { ...start, LAYERMESH_DILATE: '5', LAYERMESH_ACTIVATIONS: 'f32' };
    expect(readStageConfig({ ...timed, ...more }).served).toMatchObject({
      start: 'stock',
      storageGBps: 2.5,
      dilation: 5,
      activations: 'f32',
    });
    expect(() => readStageConfig({ ...timed, LAYERMESH_HOP_MS: '-1' })).toThrow(
      'not a number from 0 to 1000',
    );
    for (const storage of ['0', '-2', '1001', 'fast', 'NaN'])
      expect(() => readStageConfig({ ...timed, LAYERMESH_STORAGE_GBPS: storage })).toThrow(
        'not a number from 0.01 to 1000',
      );
    expect(readStageConfig(stage).served).toMatchObject({ engine: 'onnx', activations: 'f32' });
  });

  it('cuts prompts as it suits the engine, where nobody says otherwise', () => {
    const chunks = (more: Record<string, string>) => {
      const { prefillChunk, prefillChunkAlone } = readGatewayConfig({ ...gateway, ...more });
      return [prefillChunk, prefillChunkAlone];
    };
    expect(chunks({})).toEqual([256, 64]);
    expect(chunks({ LAYERMESH_ENGINE: 'timed' })).toEqual([512, 256]);
    const set = { LAYERMESH_PREFILL_CHUNK: '128', LAYERMESH_PREFILL_CHUNK_ALONE: '32' };
    expect(chunks({ ...set, LAYERMESH_ENGINE: 'timed' })).toEqual([128, 32]);
    expect(() => chunks({ LAYERMESH_PREFILL_CHUNK_ALONE: '0' })).toThrow('LAYERMESH_PREFILL_CHUNK_ALONE');
  });

  it("takes the checkpoint's sampling defaults, or OpenAI's, and no others", () => {
    const read = (choice: string) =>
      readGatewayConfig({ ...gateway, LAYERMESH_GENERATION_CONFIG: choice }).models[0].generationConfig;
    expect(['', 'auto', 'openai'].map(read)).toEqual(['auto', 'auto', 'openai']);
    expect(() => read('vllm')).toThrow('LAYERMESH_GENERATION_CONFIG is "vllm", not one of auto, openai');
  });

  it('takes further names of the model, printable ones of which each comes once', () => {
    const read = (names: string) =>
      readGatewayConfig({ ...gateway, LAYERMESH_MODEL_ALIASES: names }).models[0].aliases;
    expect(['', 'gpt-4o-mini', ' a/b:c, gpt-4o,'].map(read)).toEqual([
      [],
      ['gpt-4o-mini'],
      ['a/b:c', 'gpt-4o'],
    ]);
    expect(() => read('a,b c')).toThrow('LAYERMESH_MODEL_ALIASES has "b c", not 1 to 128 printable');
    expect(() => read('a'.repeat(129))).toThrow(/LAYERMESH_MODEL_ALIASES has "a+", not 1 to 128/);
    expect(() => read('a,b,a')).toThrow('LAYERMESH_MODEL_ALIASES is "a,b,a", which has a name twice');
  });

  it.each([
    'chat.example',
    'https://chat.example/',
    'https://chat.example/page',
    'https://*.example',
    'ftp://x',
    'null',
  ])('takes "%s" for no origin', (origin) => {
    expect(() =>
      readGatewayConfig({ ...gateway, LAYERMESH_CORS_ORIGINS: `http://localhost:3000,${origin}` }),
    ).toThrow(`LAYERMESH_CORS_ORIGINS has "${origin}", not an origin`);
  });

  describe('of several models', () => {
    const several = {
      ...gateway,
      LAYERMESH_MODELS: 'qwen, tiny-2',
      LAYERMESH_SPLIT: '10,20',
      LAYERMESH_PRECISION: 'f32',
      LAYERMESH_PREPARED__QWEN: '/models/q',
      LAYERMESH_SPLIT__QWEN: '12',
      LAYERMESH_MODEL_NAME__QWEN: 'Qwen2.5',
      LAYERMESH_MODEL_ALIASES__QWEN: 'small,fast',
      LAYERMESH_PREPARED__TINY_2: '/models/t',
    };

    it('reads each by its own variables, and takes nothing of the first', () => {
      expect(readGatewayConfig(several).models).toMatchObject([
        { meshName: '', served: { prepared: '/models/m', split: '10,20', precision: 'f32' } },
        {
          meshName: 'qwen',
          name: 'Qwen2.5',
          aliases: ['small', 'fast'],
          served: { prepared: '/models/q', split: '12', precision: 'int8' },
        },
        { meshName: 'tiny-2', name: '', aliases: [], served: { prepared: '/models/t', split: '' } },
      ]);
    });

    it('names the variable at fault', () => {
      const read = (more: object) => () => readGatewayConfig({ ...several, ...more });
      expect(read({ LAYERMESH_PREPARED__QWEN: '' })).toThrow('LAYERMESH_PREPARED__QWEN is not set');
      expect(read({ LAYERMESH_PRECISION__TINY_2: 'f64' })).toThrow(
        'LAYERMESH_PRECISION__TINY_2 is "f64", not',
      );
      expect(read({ LAYERMESH_MODELS: 'qwen,qwen' })).toThrow('which has a name twice');
      for (const name of ['Qwen', '2q', 'q_w', 'q-', 'q'.repeat(33), 'q.w'])
        expect(read({ LAYERMESH_MODELS: name })).toThrow(`LAYERMESH_MODELS has "${name}", not 1 to 32 of`);
    });

    it('has one engine for all', () => {
      const timed = { LAYERMESH_ENGINE: 'timed', LAYERMESH_MODELS: 'q', LAYERMESH_SHAPE__Q: 'llama-3-8b' };
      expect(readGatewayConfig(timed).models.map(({ served }) => served)).toMatchObject([
        { engine: 'timed', shape: 'llama-2-13b' },
        { engine: 'timed', shape: 'llama-3-8b' },
      ]);
    });

    it.each([
      ['stage-0', '', 0],
      ['qwen-stage-1', 'qwen', 1],
      ['tiny-2-stage-12', 'tiny-2', 12],
      ['stage-1-stage-2', 'stage-1', 2],
    ])('has the stage %s', (appId, meshName, index) => {
      expect(readStageConfig({ ...stage, APP_ID: appId })).toMatchObject({ appId, meshName, index });
      expect(stageId(meshName, index)).toBe(appId);
    });

    it.each(['gateway', '-stage-0', 'Qwen-stage-0', 'qwen-stage-', 'qwen_stage-0', 'stage-0x', 'a--stage-0'])(
      'has no stage %s',
      (appId) => {
        expect(() => readStageConfig({ ...stage, APP_ID: appId })).toThrow(`APP_ID is "${appId}", not`);
      },
    );
  });
});
