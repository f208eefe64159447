import { chunkRows } from '../../../services/gateway/prefill-chunk.js';

test.each([
  ['one prompt over several stages', { running: 1, stages: 3 }, 256, 64],
  ['as many sequences as stages', { running: 3, stages: 3 }, 256, 256],
  ['a model that is not split', { running: 1, stages: 1 }, 256, 256],
  ['a bound that is smaller already', { running: 1, stages: 3 }, 16, 16],
])('%s', (_name, load, most, expected) => {
  expect(chunkRows(most, load)).toBe(expected);
});
