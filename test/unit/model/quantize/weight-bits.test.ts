import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { weightBits } from '../../../../services/lib/model/quantize/weight-bits.js';
import { temporaryFolder } from '../../../support/temporary-folder.js';

const folder = temporaryFolder();

test.each([
  ['x64', 'flags\t\t: fpu avx2 avx512f avx512_vnni\n', 8],
  ['x64', 'flags\t\t: fpu avx2 avx_vnni sse\n', 8],
  ['x64', 'flags\t\t: fpu avx2 avx512f\n', 7],
  ['x64', 'model name\t: not avx_vnni\nflags\t\t: fpu\n', 7],
  ['arm64', 'Features\t: fp asimd\n', 8],
] as const)('%s with %j: %i bits', async (architecture, cpuinfo, bits) => {
  const file = path.join(folder.path, 'cpuinfo');
  await writeFile(file, cpuinfo);
  expect(weightBits(architecture, file)).toBe(bits);
});

test('where the system does not say, the safe width', () => {
  expect(weightBits('x64', path.join(folder.path, 'missing'))).toBe(7);
});
