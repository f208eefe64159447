import { chunkRows } from '../../../../services/gateway/generation/leg.js';

test.each([
  ['one prompt over several stages', { rows: 128, running: 1, stages: 3 }, 256, 64],
  ['a little more than two chunks', { rows: 136, running: 1, stages: 3 }, 256, 68],
  ['too much for two chunks', { rows: 150, running: 1, stages: 3 }, 256, 50],
  ['a single row', { rows: 1, running: 1, stages: 3 }, 256, 1],
  ['as many sequences as stages', { rows: 128, running: 3, stages: 3 }, 256, 256],
  ['a model that is not split', { rows: 128, running: 1, stages: 1 }, 256, 256],
  ['a bound that is smaller already', { rows: 128, running: 1, stages: 3 }, 16, 16],
])('%s', (_name, load, most, expected) => {
  expect(chunkRows(most, load)).toBe(expected);
});
