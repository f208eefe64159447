import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { checkWeightRule, weightRule } from '../../../../services/lib/model/quantize/weight-rule.js';
import { temporaryFolder } from '../../../support/temporary-folder.js';
import { thrownBy } from '../../../support/thrown-by.js';

const folder = temporaryFolder();

test.each([
  ['x64', 'flags\t\t: fpu avx2 avx512f avx512_vnni\n', 'free'],
  ['x64', 'flags\t\t: fpu avx2 avx_vnni sse\n', 'free'],
  ['x64', 'flags\t\t: fpu avx2 avx512f\n', 'bounded-pairs'],
  ['x64', 'model name\t: not avx_vnni\nflags\t\t: fpu\n', 'bounded-pairs'],
  ['arm64', 'Features\t: fp asimd\n', 'free'],
] as const)('%s with %j: %s', async (architecture, cpuinfo, rule) => {
  const file = path.join(folder.path, 'cpuinfo');
  await writeFile(file, cpuinfo);
  expect(weightRule(architecture, file)).toBe(rule);
});

test('where the system does not say, the safe rule', () => {
  expect(weightRule('x64', path.join(folder.path, 'missing'))).toBe('bounded-pairs');
});

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
