import { readGatewayConfig } from '../../../../services/lib/config/config.js';
import { CostModel, type StepWork } from '../../../../services/lib/engine/timed/cost-model.js';
import { deviceNames, deviceProfile } from '../../../../services/lib/engine/timed/device-profile.js';
import { modelShape, shapeNames } from '../../../../services/lib/model/shapes/model-shape.js';
import { stageRanges } from '../../../../services/lib/model/split.js';
import { thrownBy } from '../../../support/thrown-by.js';

const whole = (shape = 'llama-2-13b', device = 'a100-80g'): CostModel => stages([], shape, device)[0]!;

const stages = (boundaries: readonly number[], shape = 'llama-2-13b', device = 'a100-80g'): CostModel[] => {
  const config = modelShape(shape);
  return stageRanges(boundaries, config.layers).map(
    (range) => new CostModel(config, deviceProfile(device), range),
  );
};

const decode = (batch: number, cached: number): StepWork => ({
  items: Array.from({ length: batch }, () => ({ rows: 1, cached })),
  logits: batch,
});
const prompt = (rows: number, cached = 0): StepWork => ({ items: [{ rows, cached }], logits: 1 });

describe('the time of a step', () => {
  it('is the table where the table was measured', () => {
    const { rows, seconds } = deviceProfile('a100-80g').linear;
    for (const [index, measured] of rows.entries()) {
      const step = whole().stepSeconds({ items: [{ rows: measured, cached: 0 }], logits: 0 });
      // Attention over the rows comes on top: little for few, at 4,096 a tenth.
      expect(step).toBeGreaterThan(40 * seconds[index]!);
      expect(step).toBeLessThan(40 * seconds[index]! * 1.12);
    }
  });

  it('grows with rows and with what is cached, also beyond the table', () => {
    for (const rows of [1, 2, 64, 100, 2000, 5000]) {
      expect(whole().stepSeconds(prompt(rows + 300))).toBeGreaterThan(whole().stepSeconds(prompt(rows)));
    }
    for (const cached of [0, 1, 500, 4000]) {
      const more = whole().stepSeconds(decode(16, cached + 100)) - whole().stepSeconds(decode(16, cached));
      // Keys and values of 1,600 tokens, 20,480 bytes each in 40 layers, at 0.8 of 2.039 TB/s.
      expect(more).toBeCloseTo((1600 * 20_480 * 40) / (0.8 * 2.039e12), 9);
    }
  });

  it('does not depend on how a prompt is cut, but for what is read again and for small steps', () => {
    const cut = [0, 1024].reduce((sum, cached) => sum + whole().stepSeconds(prompt(1024, cached)), 0);
    const inOne = whole().stepSeconds(prompt(2048));
    expect(cut / inOne).toBeGreaterThan(1);
    expect(cut / inOne).toBeLessThan(1.15);
  });

  it('of a mixed step is less than of its parts, which read the weights twice, and more than of each', () => {
    const mixed = whole().stepSeconds({
      items: [...decode(32, 500).items, ...prompt(128).items],
      logits: 33,
    });
    const parts = [decode(32, 500), prompt(128)].map((work) => whole().stepSeconds(work));
    expect(mixed).toBeLessThan(parts[0]! + parts[1]!);
    expect(mixed).toBeGreaterThan(Math.max(...parts));
  });

  it('of all stages together is that of the whole, and the copies between them', () => {
    const work = decode(64, 300);
    const cut = stages([10, 20, 30]).map((stage) => stage.stepSeconds(work));
    const copies = (6 * 64 * 5120 * 2) / deviceProfile('a100-80g').hostBytesPerSecond;
    expect(cut.reduce((sum, each) => sum + each)).toBeCloseTo(whole().stepSeconds(work) + copies, 9);
    // The head is the last stage's.
    expect(cut[3]).toBeGreaterThan(cut[2]!);
  });

  it('of a step without rows is nothing', () => {
    expect(whole().stepSeconds({ items: [], logits: 0 })).toBe(0);
  });
});

describe('memory', () => {
  it('holds keys and values beside the weights, many times more in a half of the model', () => {
    expect(whole().kvTokens).toBeGreaterThan(55_000);
    expect(whole().kvTokens).toBeLessThan(62_000);
    const [first] = stages([20], 'llama-2-13b', 'a100-40g');
    expect(first!.kvTokens / whole('llama-2-13b', 'a100-40g').kvTokens).toBeGreaterThan(4);
    // Eight times fewer heads of keys and values.
    expect(whole('llama-3-8b').kvTokens).toBeGreaterThan(3 * whole('llama-2-7b').kvTokens);
  });

  it('that the weights do not leave room in is refused with the sizes', async () => {
    expect(await thrownBy(() => whole('llama-2-13b', 'l4'))).toMatchObject({
      code: 'invalid_config',
      message: 'layers 0-39 of llama-2-13b need 28.2 GB, and l4 has 23.2',
    });
    expect(stages([20], 'llama-2-13b', 'l4')).toHaveLength(2);
  });
});

describe('the chunks of a prompt', () => {
  const ROWS = 1_024;
  /** Of a lone prompt in chunks of so many rows, to the end of the last stage, without hops. */
  const toFirstToken = (device: string, chunk: number): number => {
    const free = [0, 0, 0, 0];
    const costs = stages([10, 20, 30], 'llama-2-13b', device);
    for (let cached = 0; cached < ROWS; cached += chunk) {
      const logits = cached + chunk === ROWS ? 1 : 0;
      let there = 0;
      for (const [stage, cost] of costs.entries()) {
        there =
          Math.max(there, free[stage]!) + cost.stepSeconds({ items: [{ rows: chunk, cached }], logits });
        free[stage] = there;
      }
    }
    return free.at(-1)!;
  };

  it.each(deviceNames)('that are alone are as large as is soonest on %s', (device) => {
    const { prefillChunkAlone } = readGatewayConfig({ LAYERMESH_ENGINE: 'timed' });
    const times = [64, 128, 256, 512].map((chunk) => [chunk, toFirstToken(device, chunk)] as const);
    const [soonest] = times.toSorted(([, one], [, other]) => one - other)[0]!;
    expect(prefillChunkAlone).toBe(soonest);
  });
});

describe('the time of a start', () => {
  it('is near what was measured of the model that the fit had not seen', () => {
    expect(whole().startSeconds('stock', 1) / 58.7).toBeCloseTo(1, 1);
    expect(whole().startSeconds('fast-loader', 1)).toBeCloseTo(6.88, 1);
  });

  it('of a quarter is more than a quarter, and grows with whoever loads beside it', () => {
    const quarter = stages([10, 20, 30])[1]!;
    expect(quarter.startSeconds('stock', 1) / whole().startSeconds('stock', 1)).toBeGreaterThan(0.5);
    const load = quarter.startSeconds('stock', 2) - quarter.startSeconds('stock', 1);
    expect(quarter.startSeconds('stock', 4) - quarter.startSeconds('stock', 1)).toBeCloseTo(3 * load, 9);
  });

  it('has as much of its load in as much faster a storage, and the rest as before', () => {
    const at = (sharers: number, storage: number | null): number =>
      whole().startSeconds('stock', sharers, storage);
    expect(at(1, null)).toBe(whole().startSeconds('stock', 1));
    expect(at(1, 1) - at(1, 2)).toBeCloseTo(26.03 / 2, 1);
    expect(at(4, 4)).toBeCloseTo(at(1, 1), 9);
    expect(at(1, 1_000) - (20.9 + 40 * 0.538)).toBeCloseTo(0.026, 3);
  });
});

describe('devices and shapes', () => {
  it('are what their files say', () => {
    for (const name of deviceNames) {
      const { rows, seconds, derivedFrom } = deviceProfile(name).linear;
      expect(rows).toEqual([...rows].sort((one, other) => one - other));
      expect(seconds).toHaveLength(rows.length);
      if (derivedFrom !== null) expect(deviceProfile(derivedFrom).linear.derivedFrom).toBeNull();
    }
    for (const name of shapeNames) {
      const { heads, headDim, hidden, layers } = modelShape(name);
      expect(heads * headDim).toBe(hidden);
      expect(layers % 4).toBe(0);
    }
  });

  it('that nobody knows are refused with those that there are', async () => {
    expect(await thrownBy(() => deviceProfile('a100'))).toMatchObject({
      code: 'invalid_config',
      hint: 'use one of a100-80g, a100-40g, h100-80g, a40, l40s, l4',
    });
    expect(await thrownBy(() => modelShape('llama-13b'))).toMatchObject({
      code: 'invalid_config',
      hint: 'use one of llama-2-7b, llama-2-13b, llama-2-70b, llama-3-8b',
    });
  });
});
