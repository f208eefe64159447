import { LinkRates } from '../../../../services/gateway/watch/link-rates.js';

const link = (uptimeSeconds: number, bytesIn: number) => ({
  appId: 'stage-0',
  replica: 'a',
  fromGateway: 0.001,
  toNext: 0.0005,
  bytesIn,
  bytesOut: 2 * bytesIn,
  uptimeSeconds,
});

test('rates are of the time between two statuses, hold until the next, and begin anew with the process', () => {
  const rates = new LinkRates();
  const look = (uptime: number, bytes: number) => {
    const [state] = rates.look([link(uptime, bytes)]).get('stage-0')!;
    return [state!.bytes_in_per_second, state!.bytes_out_per_second];
  };
  expect(look(10, 1_000)).toEqual([0, 0]);
  expect(look(12, 5_000)).toEqual([2_000, 4_000]);
  expect(look(12, 5_000)).toEqual([2_000, 4_000]);
  expect(look(14, 5_000)).toEqual([0, 0]);
  expect(look(1, 50)).toEqual([0, 0]);
  expect(rates.look([])).toEqual(new Map());
  expect(look(3, 50)).toEqual([0, 0]);
});
