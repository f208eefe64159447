import { evenArm } from '../../../../../scripts/lib/measure/experiment/simulate/arms.js';
import {
  attainmentOf,
  capacityOf,
  kneeOf,
} from '../../../../../scripts/lib/measure/experiment/simulate/knee.js';
import {
  breakEvenOf,
  type Cell,
  gainOfSplit,
  mapCells,
  mapPoint,
  type MapPoint,
} from '../../../../../scripts/lib/measure/experiment/simulate/map.js';
import { LIMITS } from '../../../../../scripts/lib/measure/experiment/scenario.js';

const lengths = { promptTokens: 1_000, outputTokens: 200 };
const options = { hop: { baseMs: 0.5, msPerMB: 3 }, level: LIMITS.server, seeds: [1] };
const whole = evenArm({ shape: 'llama-2-13b', device: 'a100-40g', stages: 1, replicas: 1 });

describe('the knee', () => {
  const knee = kneeOf(whole, lengths, options);

  it('is served, and a little more is not', () => {
    expect(attainmentOf(whole, lengths, knee.rate, options)).toBeGreaterThanOrEqual(0.9);
    expect(attainmentOf(whole, lengths, knee.rate * 1.1, options)).toBeLessThan(0.9);
  });

  it('is about what the devices carry by the utilisation law', () => {
    expect(knee.rate).toBeLessThan(1.2 * capacityOf(whole, lengths));
    expect(knee.rate).toBeGreaterThan(0.7 * capacityOf(whole, lengths));
    expect(knee.tokensPerDevice).toBeCloseTo(knee.rate * lengths.outputTokens, 6);
  });

  it('is lower where more requests must keep the level, and none where no request can', () => {
    expect(kneeOf(whole, lengths, { ...options, share: 0.99 }).rate).toBeLessThan(knee.rate);
    expect(kneeOf(whole, lengths, { ...options, level: { ttft: 2_000, tpot: 5 } }).rate).toBe(0);
  });
});

describe('the map', () => {
  const cell: Cell = {
    shape: 'llama-2-13b',
    device: 'a100-40g',
    devices: 2,
    stages: 1,
    isInt8: false,
    hop: 'dapr',
    lengths,
    limit: 'server',
    scale: 1,
  };

  it('asks for each thing once', () => {
    const cells = mapCells().map((each) => JSON.stringify(each));
    expect(new Set(cells).size).toBe(cells.length);
    for (const each of mapCells()) expect(each.devices % each.stages).toBe(0);
  });

  it('says that 40 GB split carry more than whole, and 80 GB about as much', () => {
    const gain = (device: string): number => {
      const points = [1, 2].map((stages) => mapPoint({ ...cell, device, stages }));
      return gainOfSplit(points, points[1]!)!;
    };
    expect(gain('a100-40g')).toBeGreaterThan(1.2);
    expect(gain('a100-80g')).toBeLessThan(1.15);
  });

  it('has no knee where a model does not fit', () => {
    expect(mapPoint({ ...cell, device: 'l4' }).knee).toBeNull();
  });

  it('compares devices by what one carries', () => {
    const point = (device: string, stages: number, tokensPerDevice: number): MapPoint => ({
      ...cell,
      device,
      stages,
      knee: { rate: 1, tokensPerDevice, ttft: 1, tpot: 1 },
    });
    const points = [point('a100-80g', 1, 900), point('l4', 2, 60), { ...cell, device: 'l4', knee: null }];
    expect(breakEvenOf(points, points[1]!)).toBe(15);
    expect(gainOfSplit(points, points[1]!)).toBeNull();
    expect(gainOfSplit(points, points[0]!)).toBe(1);
  });
});
