import { readStageConfig } from '../../../../services/lib/config/config.js';
import { engineLabel, readPlan } from '../../../../services/lib/model/plan.js';

const served = (more: Record<string, string> = {}) =>
  readStageConfig({ APP_ID: 'stage-0', LAYERMESH_ENGINE: 'timed', LAYERMESH_SPLIT: '10,20', ...more }).served;

describe('the plan of a timed model', () => {
  it('is its shape, cut where it is told', async () => {
    const { model, ranges, plan } = await readPlan(served());
    expect(model.config).toMatchObject({ name: 'llama-2-13b', layers: 40, hidden: 5_120 });
    expect(ranges.map(({ end }) => end)).toEqual([10, 20, 40]);
    expect(plan).toMatchObject({ precision: 'f16', activations: 'f16', split: [10, 20] });
  });

  it('agrees with those of other devices, and with nothing that takes other times or computes', async () => {
    const digest = async (more: Record<string, string>) => (await readPlan(served(more))).plan.modelDigest;
    const own = await digest({});
    expect(own).toMatch(/^[0-9a-f]{64}$/);
    expect(await digest({ LAYERMESH_DEVICE: 'l40s' })).toBe(own);
    const others = [{ LAYERMESH_SHAPE: 'llama-2-7b' }, { LAYERMESH_DILATE: '2' }, { LAYERMESH_HOP_MS: '2' }];
    const digests = await Promise.all(others.map(digest));
    expect(new Set([own, ...digests]).size).toBe(4);
    await expect(digest({ LAYERMESH_SHAPE: 'gpt-9' })).rejects.toMatchObject({ code: 'invalid_config' });
  });

  it('is labelled with what it emulates', () => {
    expect(engineLabel(served({ LAYERMESH_DEVICE: 'a100-40g' }))).toBe('timed (a100-40g, cost model 1)');
    expect(engineLabel(served({ LAYERMESH_DILATE: '5', LAYERMESH_HOP_MS: '1.5' }))).toBe(
      'timed (a100-80g, cost model 1, dilated x 5, hop 1.5 ms)',
    );
    expect(engineLabel(readStageConfig({ APP_ID: 'stage-0', LAYERMESH_PREPARED: '/m' }).served)).toBeNull();
  });
});
