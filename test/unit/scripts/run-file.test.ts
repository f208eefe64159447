import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { chooseSplit, meshNameOf } from '../../../scripts/lib/local/plan-system.js';
import { repositoryRoot } from '../../../scripts/lib/repository.js';
import {
  entriesOfStages,
  parseRunFile,
  readRunFile,
  runFilePath,
} from '../../../scripts/lib/local/run/run-file.js';
import type { ModelConfig } from '../../../services/lib/model/types.js';

const committed = readFileSync(runFilePath, 'utf8');

describe('the run file', () => {
  it('gives every app what the file says of all, and its own on top', async () => {
    const { gateway, stages } = await readRunFile();
    expect(stages.map(({ appId }) => appId)).toEqual(['stage-0', 'stage-1', 'stage-2']);
    expect(gateway).toMatchObject({
      appId: 'gateway',
      serves: true,
      maxBodySize: '16Mi',
      directory: repositoryRoot,
    });
    expect(gateway.env).toMatchObject({ LAYERMESH_MESH: 'dapr', LAYERMESH_PORT: '8000' });
    expect(stages[1]).toMatchObject({ serves: true, appProtocol: 'grpc' });
    expect(stages[1]!.env['LAYERMESH_PORT']).toBeUndefined();
    expect(stages[1]!.configPath).toBe(join(repositoryRoot, 'dapr', 'config.yaml'));
    expect(stages[1]!.resourcesPaths).toEqual([
      join(repositoryRoot, 'components'),
      join(repositoryRoot, 'dapr'),
    ]);
  });

  it('gives no port to two apps, because the Dapr CLI uses them as they are', () => {
    const ports = [...committed.matchAll(/(?:Port|_PORT): '?(\d+)/g)].map(([, port]) => port);
    expect(ports.length).toBeGreaterThan(16);
    expect(new Set(ports).size).toBe(ports.length);
  });

  it('copies the last stage for more stages, and leaves some out for fewer', async () => {
    const { stages } = await readRunFile();
    const five = entriesOfStages(stages, 5);
    expect(five.map(({ appId }) => appId)).toEqual(['stage-0', 'stage-1', 'stage-2', 'stage-3', 'stage-4']);
    expect(five[4]).toEqual({ ...stages[2], appId: 'stage-4' });
    expect(entriesOfStages(stages, 1)).toEqual([stages[0]]);
    expect(entriesOfStages(stages, 2, 'qwen').map(({ appId }) => appId)).toEqual([
      'qwen-stage-0',
      'qwen-stage-1',
    ]);
  });

  it.each([
    ['Qwen2.5-0.5B-Instruct', 'qwen2-5-0-5b-instruct'],
    ['tiny.Q8_0.gguf', 'tiny-q8-0'],
    ['7B_model', 'b-model'],
    [`a${'-b'.repeat(40)}`, 'a-b-b-b-b-b-b-b-b-b-b-b-b-b-b-b'],
    ['模型', 'model'],
    ['', 'model'],
  ])('calls the stages of the model "%s" by "%s"', (name, expected) => {
    expect(meshNameOf(name)).toBe(expected);
  });

  it.each([
    ['another version', committed.replace('version: 1', 'version: 2')],
    ['no gateway', committed.replace('appID: gateway', 'appID: stage-3')],
    ['a gap between the stages', committed.replace('appID: stage-1', 'appID: stage-7')],
    ['an app without a command', committed.replace(/ {4}command: .*\n/, '')],
    ['something else', 'hello: world'],
  ])('refuses %s', (_, text) => {
    expect(() => parseRunFile(text, '/')).toThrow(/^dapr\/dapr.yaml: /);
  });
});

describe('the split', () => {
  const config = {
    layers: 30,
    hidden: 576,
    heads: 9,
    kvHeads: 3,
    headDim: 64,
    intermediate: 1536,
    vocabulary: 49152,
  };
  const choose = async (options: { model?: string; split?: string; stages?: number }): Promise<number[]> =>
    chooseSplit(options, config as ModelConfig, await readRunFile());

  it('is that of the run file for its own model', async () => {
    expect(await choose({})).toEqual([10, 20]);
  });

  it('has as many stages as the run file for another model', async () => {
    expect(await choose({ model: 'other.gguf' })).toHaveLength(2);
  });

  it('is what was asked for', async () => {
    expect(await choose({ split: '5' })).toEqual([5]);
    expect(await choose({ split: '' })).toEqual([]);
    expect(await choose({ stages: 1 })).toEqual([]);
    expect(await choose({ stages: 5 })).toHaveLength(4);
  });

  it('is refused when it cannot be', async () => {
    await expect(choose({ split: '20,10' })).rejects.toMatchObject({ code: 'invalid_split' });
    await expect(choose({ stages: 31 })).rejects.toMatchObject({ code: 'invalid_split' });
  });
});
