import { CONTEXTS } from '../../../../../scripts/lib/measure/experiment/settings.js';
import {
  nameOfPlace,
  PLACES,
  simulatePlace,
  WHOLE,
  withPrices,
  type MapCell,
  type Place,
} from '../../../../../scripts/lib/measure/experiment/simulate/map.js';

const place = (device: string): Place => ({
  shape: 'llama-2-13b',
  device,
  cuts: [2],
  lengths: CONTEXTS.middle,
  hops: [{ name: 'short', hop: { baseMs: 0.5, msPerMB: 1 } }],
  scale: 1,
});

describe('the map', () => {
  const map = withPrices(['a100-40g', 'a100-80g', 'l4'].map(place).flatMap(simulatePlace));
  const cell = (device: string, arm: string): MapCell =>
    map.find((each) => each.device === device && each.arm === arm)!;

  it('says that 40 GB split carry more than whole, and 80 GB no more', () => {
    expect(cell('a100-40g', 'split-2').ratioToWhole).toBeGreaterThan(1.1);
    expect(cell('a100-80g', 'split-2').ratioToWhole).toBeLessThan(1.05);
  });

  it('has nothing of what does not fit', () => {
    expect(cell('l4', WHOLE)).toMatchObject({ kneePerDevice: 0, ttftMs: null, breakEvenPriceRatio: null });
    expect(cell('l4', 'split-2')).toMatchObject({ ratioToWhole: null });
    expect(cell('l4', 'split-2').kneePerDevice).toBeGreaterThan(0);
  });

  it('prices each against the whole model on an A100 of 80 GB', () => {
    const [base, card] = [cell('a100-80g', WHOLE), cell('l4', 'split-2')];
    expect(card.breakEvenPriceRatio).toBeCloseTo(base.kneePerDevice / card.kneePerDevice, 9);
    expect(base.breakEvenPriceRatio).toBe(1);
  });

  it('has a name of its own for each place', () => {
    expect(new Set(PLACES.map(nameOfPlace)).size).toBe(PLACES.length);
  });

  it('has more room with weights of 8 bits', () => {
    expect(cell('a100-40g', 'whole, int8').ratioToWhole).toBeGreaterThan(1.2);
  });
});
