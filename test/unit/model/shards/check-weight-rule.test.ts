import { checkWeightRule } from '../../../../services/lib/model/shards/check-weight-rule.js';
import { thrownBy } from '../../../support/thrown-by.js';

const directory = 'shards/int8';

test('free weights are refused where pairs must be bounded', async () => {
  const error = await thrownBy(() => checkWeightRule({ directory, weightRule: 'free' }, 'bounded-pairs'));
  expect(error.code).toBe('shards_invalid');
});

test.each([
  ['free', 'free'],
  ['bounded-pairs', 'free'],
  ['bounded-pairs', 'bounded-pairs'],
  [null, 'bounded-pairs'],
] as const)('shards by the rule %s run where the processor asks for %s', (weightRule, processor) => {
  expect(() => checkWeightRule({ directory, weightRule }, processor)).not.toThrow();
});
