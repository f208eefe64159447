import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { cacheDirectory } from '../../../services/lib/config/config.js';
import { samplingOf } from '../../../scripts/lib/model/demo-model.js';
import { openCheckpoint } from '../../../services/lib/model/open-checkpoint.js';
import type { Checkpoint, TensorName } from '../../../services/lib/model/types.js';

const { rows } = JSON.parse(
  readFileSync(new URL('../../fixtures/gguf-quants.json', import.meta.url), 'utf8'),
) as { rows: { tensor: TensorName; row: number; values: string }[] };

/** SmolLM2-135M-Instruct as it is served by default; `npm run check` fetches it. */
describe('the demo model', () => {
  let checkpoint: Checkpoint;
  beforeAll(async () => {
    const models = join(cacheDirectory(), 'models');
    checkpoint = await openCheckpoint(join(models, 'SmolLM2-135M-Instruct.Q4_1.gguf'));
  });
  afterAll(() => checkpoint.close());

  it('is described as its authors do', () => {
    expect(checkpoint.config).toEqual({
      architecture: 'llama',
      name: 'Smollm2 135M 8k Lc100K Mix1 Ep2',
      layers: 30,
      hidden: 576,
      heads: 9,
      kvHeads: 3,
      headDim: 64,
      intermediate: 1536,
      vocabulary: 49152,
      maxPositions: 8192,
      normEpsilon: Math.fround(1e-5),
      ropeTheta: 100_000,
      ropeScaling: null,
      tiedHead: true,
    });
    expect(checkpoint.text.eosIds).toContain(2);
    expect(checkpoint.digest).toBe('b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53');
  });

  it('says nothing of sampling, so that its defaults are ours', () => {
    expect(checkpoint.sampling).toEqual({});
    expect(samplingOf(checkpoint.digest)).toEqual({ temperature: 0.2, top_p: 0.9 });
    expect(samplingOf('another')).toBeUndefined();
  });

  it.each(rows)(
    'has in row $row of $tensor what the Python package gguf reads',
    async ({ tensor, row, values }) => {
      const expected = new Float32Array(new Uint8Array(Buffer.from(values, 'base64')).buffer);
      const isMatrix = checkpoint.shape(tensor).length === 2;
      const read = await checkpoint.read(tensor, isMatrix ? { start: row, end: row + 1 } : undefined);
      expect([...read.subarray(0, expected.length)]).toEqual([...expected]);
    },
  );

  it('has its embedding for a head', async () => {
    const range = { start: 49_000, end: 49_002 };
    expect(await checkpoint.read('head', range)).toEqual(await checkpoint.read('embed', range));
  });
});
