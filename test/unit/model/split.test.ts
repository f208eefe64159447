import fc from 'fast-check';
import {
  evenSplit,
  ownsEmbedding,
  ownsHead,
  parseSplit,
  stageRanges,
} from '../../../services/lib/model/split.js';
import { thrownBy } from '../../support/thrown-by.js';
import { tinyConfig } from '../../support/model/tiny-model.js';

describe('parseSplit', () => {
  it('cuts at the boundaries', () => {
    expect(parseSplit('10, 20', 30)).toEqual([
      { start: 0, end: 10, layers: 30 },
      { start: 10, end: 20, layers: 30 },
      { start: 20, end: 30, layers: 30 },
    ]);
  });

  it('makes one stage of nothing', () => {
    expect(parseSplit('', 30)).toEqual([{ start: 0, end: 30, layers: 30 }]);
  });

  it.each([
    ['10,x', 'boundary 2 of "10,x" is "x", not a number'],
    ['10,', 'boundary 2 of "10," is "", not a number'],
    ['1.5', 'boundary 1 of "1.5" is "1.5", not a number'],
    ['-1', 'boundary 1 of "-1" is "-1", not a number'],
    ['0,10', 'boundary 1 of "0,10" is 0, not between 1 and 29'],
    ['10,30', 'boundary 2 of "10,30" is 30, not between 1 and 29'],
    ['20,10', 'boundary 2 of "20,10" is 10, not above 20'],
    ['5,5', 'boundary 2 of "5,5" is 5, not above 5'],
  ])('refuses %s and says where', async (text, message) => {
    expect(await thrownBy(() => parseSplit(text, 30))).toMatchObject({ code: 'invalid_split', message });
  });
});

describe('stageRanges', () => {
  it('gives the embedding to the first stage and the head to the last', () => {
    const stages = stageRanges([1], 2);
    expect(stages.map(ownsEmbedding)).toEqual([true, false]);
    expect(stages.map(ownsHead)).toEqual([false, true]);
  });
});

describe('evenSplit', () => {
  const smollm2 = {
    ...tinyConfig,
    layers: 30,
    hidden: 576,
    heads: 9,
    kvHeads: 3,
    headDim: 64,
    intermediate: 1536,
    vocabulary: 49152,
  };

  it('gives the last stage fewer layers, for it has the head', () => {
    // A head of 49152 rows, met by half of the tokens, costs as much as three and a half layers of SmolLM2-135M.
    expect(evenSplit(smollm2, 3)).toEqual([11, 22]);
    expect(evenSplit(smollm2, 1)).toEqual([]);
    expect(evenSplit({ ...smollm2, vocabulary: 1 }, 3)).toEqual([10, 20]);
  });

  it.each([0, 31, 1.5, NaN])('refuses %d stages of 30 layers', async (stages) => {
    expect(await thrownBy(() => evenSplit(smollm2, stages))).toMatchObject({ code: 'invalid_split' });
  });

  it('has no cheaper split', () => {
    const shape = fc
      .record({ layers: fc.integer({ min: 1, max: 9 }), vocabulary: fc.integer({ min: 1, max: 10_000 }) })
      .chain(({ layers, vocabulary }) =>
        fc.record({
          layers: fc.constant(layers),
          vocabulary: fc.constant(vocabulary),
          stages: fc.integer({ min: 1, max: layers }),
        }),
      );
    fc.assert(
      fc.property(shape, ({ layers, vocabulary, stages }) => {
        const config = { ...tinyConfig, layers, vocabulary };
        const cost = (boundaries: number[]) => {
          const weights = 2 * 8 + 2 * 8 * 8 + 2 * 4 * 8 + 3 * 12 * 8;
          const layer = weights + 2 * 512 * tinyConfig.heads * tinyConfig.headDim;
          const head = (vocabulary * 8) / 2;
          const costs = stageRanges(boundaries, layers).map(
            (stage) => (stage.end - stage.start) * layer + (ownsHead(stage) ? head : 0),
          );
          return Math.max(...costs);
        };
        const boundaries = evenSplit(config, stages);
        expect(parseSplit(boundaries.join(','), layers)).toHaveLength(stages);
        expect(cost(boundaries)).toBe(Math.min(...everySplit(layers, stages).map(cost)));
      }),
    );
  });
});

/** All ways to choose boundaries, by brute force. */
function everySplit(layers: number, stages: number, from = 1): number[][] {
  if (stages === 1) return [[]];
  const firsts = Array.from({ length: Math.max(0, layers - from) }, (_, index) => from + index);
  return firsts.flatMap((first) => everySplit(layers, stages - 1, first + 1).map((rest) => [first, ...rest]));
}
