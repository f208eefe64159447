import {
  ago,
  bytes,
  bytesPerSecond,
  ms,
  percent,
  plural,
  short,
  shortReplica,
} from '../../../services/console/parts/format.js';

test.each([
  [ms(0.1234), '0.12 ms'],
  [ms(12.34), '12.3 ms'],
  [ms(999.6), '1,000 ms'],
  [ms(1_500), '1.50 s'],
  [ms(150_000), '2 min 30 s'],
  [ms(119_700), '2 min 0 s'],
  [ms(null), '–'],
  [bytes(3 << 20), '3 MiB'],
  [bytesPerSecond(1_250_000), '1.25 MB/s'],
  [percent(0.456), '46 %'],
  [plural(1, 'token'), '1 token'],
  [plural(1_200, 'token'), '1,200 tokens'],
  [short('abcdefghij'), 'abcdef'],
  [short('abcdefgh'), 'abcdefgh'],
  [shortReplica('24c7af91d0'), '24c7af'],
  [shortReplica('stage-1-7d9c5b6f4-x2k4q'), 'x2k4q'],
  [shortReplica('stage-1-12'), 'e-1-12'],
  [ago(1_000, 62_000), '1 min ago'],
])('%s', (told, expected) => {
  expect(told).toBe(expected);
});
