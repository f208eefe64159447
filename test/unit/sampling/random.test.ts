import fc from 'fast-check';
import { createRandom } from '../../../services/lib/sampling/random.js';

describe('random numbers', () => {
  test('are those of SplitMix64', () => {
    // The first outputs of the reference implementation for seed 1234567.
    const reference = [
      6457827717110365317n,
      3203168211198807973n,
      9817491932198370423n,
      4593380528125082431n,
      16408922859458223821n,
    ];
    const random = createRandom(1234567);
    expect(reference.map(random)).toEqual(reference.map((bits) => Number(bits >> 11n) / 2 ** 53));
  });

  test('go on after any number of them', () => {
    const random = createRandom(-5);
    const all = Array.from({ length: 40 }, random);
    for (let drawn = 0; drawn < 40; drawn += 1) expect(createRandom(-5, drawn)()).toBe(all[drawn]);
  });

  test('lie in [0, 1) for every whole seed, negative ones too', () => {
    fc.assert(
      fc.property(fc.maxSafeInteger(), (seed) => {
        const random = createRandom(seed);
        for (let count = 0; count < 20; count += 1) {
          const value = random();
          expect(value >= 0 && value < 1).toBe(true);
        }
      }),
    );
  });

  test('of neighbouring seeds spread evenly', () => {
    const buckets = new Array<number>(16).fill(0);
    for (let seed = 0; seed < 16_000; seed += 1) {
      buckets[Math.floor(createRandom(seed)() * 16)]! += 1;
    }
    // 1000 expected in each, standard deviation 31.
    for (const count of buckets) expect(Math.abs(count - 1000)).toBeLessThan(160);
  });
});
